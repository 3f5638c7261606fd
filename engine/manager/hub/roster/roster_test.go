package roster

import (
	"fmt"
	"strings"
	"testing"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/wire"
)

// client is a client that shows its name and discards what it is sent.
type client struct {
	Entry
	number int
	name   string
}

func (c *client) UUID() string               { return fmt.Sprintf("%036d", c.number) }
func (c *client) Socket() Socket             { return c }
func (c *client) Subscribe(outbox.TopicID)   {}
func (c *client) Unsubscribe(outbox.TopicID) {}
func (c *client) SendLatest(*outbox.Frame)   {}

func (c *client) RosterEntry() ([]byte, error) {
	return fmt.Appendf(nil, `{"name":%q,"type":"player","rest":%q}`, c.name, strings.Repeat("x", 200)), nil
}

type host struct {
	testing.TB
	loop *loop.Loop
}

func (h host) Encode(name string, fields wire.Fields) (*outbox.Frame, error) {
	text, err := wire.Append(nil, name, fields, h.loop.Now())
	return outbox.NewFrame(text), err
}

func (host) PublishChanges(*outbox.Frame) {}

func (h host) RosterFailed(_ Client, err error) { h.Error(err) }

// Bytes that are too few for one more roster are left for the next interval. One roster may always be sent.
func TestFrameBudget(t *testing.T) {
	r := &Roster{frame: outbox.NewFrame(make([]byte, 100))}
	for _, c := range []struct {
		bytes int
		want  []int
	}{{250, []int{2, 3, 2, 3}}, {99, []int{1, 1, 1}}, {200, []int{2, 2}}} {
		r.bytesPerInterval, r.leftOver = c.bytes, 0
		for i, want := range c.want {
			if got := r.frameBudget(); got != want {
				t.Errorf("%d bytes an interval: %d rosters in interval %d, want %d", c.bytes, got, i+1, want)
			}
		}
	}
}

// One change among a thousand connections, and the roster to all of them.
func BenchmarkRoster(b *testing.B) {
	l := loop.New(loop.Options{}) // it does not run: the test acts in its place
	r := New(host{b, l}, l, 1, config.Default().Roster)
	clients := make([]client, 1000)
	for i := range clients {
		clients[i].number = i
		r.Add(&clients[i].Entry, &clients[i])
		clients[i].Invalidate()
	}
	r.scheduled = true // no timer sends meanwhile
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c := &clients[i%len(clients)]
		c.name = fmt.Sprint(i)
		c.Change()
		r.send()
	}
	b.ReportMetric(float64(len(r.frame.Payload())), "bytes/roster")
}
