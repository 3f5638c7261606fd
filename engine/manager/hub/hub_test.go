package hub

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/handshake"
	"perigee/engine/loop"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// sink is a socket that discards everything.
type sink struct {
	broker.Conn // nil: what is not defined below is not called
	id          uint64
	opened      time.Time
	token       string // with which its client comes back
}

func (s *sink) ID() uint64               { return s.id }
func (s *sink) Peer() auth.Peer          { return auth.Peer{Addr: netip.MustParseAddr("192.0.2.7")} }
func (s *sink) OpenedAt() time.Time      { return s.opened }
func (*sink) Send(*outbox.Frame)         {}
func (*sink) SendAll([]*outbox.Frame)    {}
func (*sink) SendLatest(*outbox.Frame)   {}
func (*sink) Close(wire.Close)           {}
func (*sink) Subscribe(outbox.TopicID)   {}
func (*sink) Unsubscribe(outbox.TopicID) {}
func (*sink) Forget()                    {}
func (*sink) Sent() uint64               { return 0 }
func (*sink) Kept() [][]byte             { return nil }

func (*sink) Request() *handshake.Request { return nil }

func (s *sink) ResumeRequest() broker.ResumeRequest {
	return broker.ResumeRequest{Resumable: true, Token: s.token}
}

func (*sink) Resume(_ broker.Conn, _ int64, _ func(complete bool, sent uint64) *outbox.Frame, done func(complete bool)) {
	done(false)
}

// showAll shows all of a connection in the roster.
type showAll struct{ testing.TB }

func (showAll) RosterEntry(c bind.Client) ([]byte, error) { return c.AppendJSON(nil) }

func (s showAll) Report(turn string, _ *Connection, err error) { s.Errorf("%s: %v", turn, err) }

// newHub returns a hub with a number of connections, on a loop that does not run: the test acts in its place.
func newHub(tb testing.TB, number int) *Hub {
	tb.Helper()
	c := config.Default()
	h := New(Options{
		Limits: c.Limits, Roster: c.Roster, Resume: c.Resume, Scripts: func() Scripts { return showAll{tb} },
	}, loop.New(loop.Options{}), slog.New(slog.DiscardHandler))
	for i := range number {
		h.Add(&sink{id: uint64(i + 1), opened: time.Now()}, wire.NewID())
	}
	return h
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("got %v, want no error", err)
	}
}

// A connection shows its attributes in the order of setting, then the server's fields by name, without the empty ones.
func TestConnectionJSON(t *testing.T) {
	h := newHub(t, 1)
	c := h.All()[0]
	at := c.Timestamp().Unix()
	plain := fmt.Sprintf(`{"admin":false,"ip_address":"192.0.2.7","notifications":{},"resource_id":1,`+
		`"subscriptions":{},"timestamp":%d,"type":"anonymous","uuid":%q}`, at, c.UUID())
	if got, err := c.AppendJSON(nil); string(got) != plain || err != nil {
		t.Errorf("new connection = %s, %v, want %s", got, err, plain)
	}
	must(t, c.SetAttribute("zeal", wire.Raw(`[1]`)))
	must(t, c.SetAttribute("gone", wire.Raw(`1`)))
	must(t, c.SetAttribute("age", wire.Raw(`42`)))
	must(t, c.SetAttribute("zeal", wire.Raw(`[2]`)))
	must(t, c.SetAttribute("gone", nil))
	must(t, c.SetAttribute("never", nil))
	c.SetName("Bo \"B\"")
	c.SetEmail("bo@example.com")
	c.SetType("player")
	c.SetAdmin(true)
	c.Notify("s1")
	notifications, err := c.Notifications().AppendJSON(nil)
	must(t, err)
	topic := h.NewTopic("news", bind.TopicOptions{Listed: new(true)}, nil)
	h.AddTopic(topic)
	must(t, topic.Subscribe(c))
	want := fmt.Sprintf(`{"zeal":[2],"age":42,"admin":true,"email":"bo@example.com","ip_address":"192.0.2.7","name":"Bo \"B\"",`+
		`"notifications":%s,"resource_id":1,`+
		`"subscriptions":{%q:{"name":"news","subscribers":1,"uuid":%q}},"timestamp":%d,"type":"player","uuid":%q}`,
		notifications, topic.UUID(), topic.UUID(), at, c.UUID())
	if got, err := c.AppendJSON(nil); string(got) != want || err != nil {
		t.Errorf("connection = %s, %v, want %s", got, err, want)
	}
	if c.Attribute("gone") != nil || c.Attribute("age") == nil {
		t.Errorf("Attribute: gone = %v, age = %v, want only age", c.Attribute("gone"), c.Attribute("age"))
	}
}

// The connections of a user are found in the order of opening, whatever the order in which they got it, until they close or get
// another one. A closed connection can still be given a user, and is not found.
func TestUsers(t *testing.T) {
	h := newHub(t, 4)
	all := slices.Clone(h.All())
	found := func(user string) (numbers []uint64) {
		for _, c := range h.UserClients(user) {
			numbers = append(numbers, c.ResourceID())
		}
		return numbers
	}
	check := func(when string, ann, bob []uint64) {
		t.Helper()
		if !slices.Equal(found("ann"), ann) || !slices.Equal(found("bob"), bob) {
			t.Errorf("%s: ann has %v, bob %v, want %v and %v", when, found("ann"), found("bob"), ann, bob)
		}
	}
	for _, i := range []int{3, 0, 2} {
		all[i].SetUser("ann")
	}
	all[1].SetUser("bob")
	check("after signing in", []uint64{1, 3, 4}, []uint64{2})
	all[2].SetUser("bob")
	all[0].SetUser("")
	check("after a change", []uint64{4}, []uint64{2, 3})
	all[1].Close(wire.CloseNormal(""))
	all[2].Close(wire.CloseNormal(""))
	all[2].SetUser("ann")
	check("after bob has left", []uint64{4}, nil)
	if users := h.Users(); !slices.Equal(users, []string{"ann"}) || len(h.byUser) != 1 {
		t.Errorf("Users = %v, want ann alone", users)
	}
	if all[2].User() != "ann" {
		t.Errorf("the user of a closed connection = %q, want the one that it was given", all[2].User())
	}
}

// The list of all connections is made again only after one has opened or closed; an earlier list stays as it was.
func TestClients(t *testing.T) {
	h := newHub(t, 3)
	before := h.Clients()
	if again := h.Clients(); &again[0] != &before[0] {
		t.Error("Clients made the list again, want the same one while nothing changes")
	}
	h.All()[1].Close(wire.CloseNormal(""))
	if now := h.Clients(); len(before) != 3 || before[1].Open() || len(now) != 2 {
		t.Errorf("after a close: %d in the earlier list, %d now, want 3 and 2", len(before), len(now))
	}
}
