package manager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

const goodKey = "correct horse battery"

// everybody is the number by which the broker knows what goes to all.
const everybody outbox.TopicID = 0

// rig is a manager on a real loop, with a fake application and fake sockets. Its time is that of a synctest bubble.
type rig struct {
	testing.TB
	m       *Manager
	h       script.Host
	loop    *loop.Loop
	app     *application
	out     *outlet
	log     *testkit.LogBuffer
	stopped []wire.Close
	halt    func() // ends the loop and waits for it
}

func defaults() Options {
	c := config.Default()
	return Options{Key: auth.NewKey(goodKey), Limits: c.Limits, Roster: c.Roster}
}

// inBubble runs a test in a synctest bubble with a rig whose scripts register what load does.
func inBubble(t *testing.T, o Options, load, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		r := newRig(t, o)
		r.install(func(script.Host) {
			if load != nil {
				load(r)
			}
		})
		test(r)
	})
}

func newRig(tb testing.TB, o Options) *rig {
	tb.Helper()
	r := &rig{TB: tb, app: &application{}, out: &outlet{}, log: &testkit.LogBuffer{}}
	o.Stop = func(why wire.Close) { r.stopped = append(r.stopped, why) }
	r.loop = loop.New(loop.Options{})
	r.m = New(o, r.loop, slog.New(slog.NewTextHandler(r.log, nil)))
	r.m.SetPublisher(r.out)
	r.h = r.m.Host()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.loop.Run(ctx) })
	r.halt = func() {
		cancel()
		wg.Wait()
	}
	tb.Cleanup(r.halt)
	return r
}

// swap puts a generation in force.
func (r *rig) swap(next *generation) error {
	r.m.swap(next)
	return nil
}

func (r *rig) install(load func(h script.Host)) {
	r.Helper()
	_, err := r.m.Install(r.Context(), func(h script.Host) (Application, error) {
		r.h = h
		if load != nil {
			load(h)
		}
		return r.app, nil
	})
	if err != nil {
		r.Fatalf("Install = %v, want nil", err)
	}
}

// turn runs f as a turn and waits for its end.
func (r *rig) turn(f func()) {
	r.Helper()
	err := r.m.ask(r.Context(), "test", func() error {
		f()
		r.m.settle()
		return nil
	})
	if err != nil {
		r.Fatalf("a turn of the test = %v, want nil", err)
	}
}

// send sends a message to one client.
func (r *rig) send(c script.Client, name string, fields wire.Fields) error {
	return r.h.Send([]script.Client{c}, name, fields)
}

// open attaches a new socket and returns it with its connection; what it heard by then is forgotten.
func (r *rig) open() (*socket, *hub.Connection) {
	r.Helper()
	s := r.newSocket()
	r.m.Open(s)
	synctest.Wait()
	s.take()
	var c *hub.Connection
	r.turn(func() { c = r.m.hub.ByConn(s) })
	return s, c
}

// quiet lets pass what the clock brings, so that the roster's interval is over, and forgets what was heard.
func (r *rig) quiet() {
	time.Sleep(time.Second)
	synctest.Wait()
	for _, s := range r.out.sockets {
		s.take()
	}
}

func (r *rig) newSocket() *socket {
	s := &socket{
		id:     uint64(len(r.out.sockets) + 1),
		peer:   auth.Peer{Addr: netip.MustParseAddr("192.0.2.7")},
		opened: time.Now(),
	}
	r.out.sockets = append(r.out.sockets, s)
	return s
}

func (r *rig) say(s *socket, text string) {
	r.m.Message(s, []byte(text))
	synctest.Wait()
}

// hears fails unless the names of what a socket heard since the last time are want.
func (s *socket) hears(tb testing.TB, why string, want ...string) {
	tb.Helper()
	var got []string
	for _, f := range s.take() {
		got = append(got, f.name())
	}
	if !slices.Equal(got, want) {
		tb.Errorf("%s: socket %d hears %q, want %q", why, s.id, got, want)
	}
}

// socket is a client's connection that keeps what it is sent.
type socket struct {
	id     uint64
	peer   auth.Peer
	opened time.Time

	mu sync.Mutex
	// Guarded by mu.
	heard  []frame
	latest int // how many of heard came by SendLatest
	topics []outbox.TopicID
	closed []wire.Close
}

// frame is the text of a message.
type frame string

func (f frame) fields() map[string]any {
	var m map[string]any
	if err := json.Unmarshal([]byte(f), &m); err != nil {
		return map[string]any{"name": fmt.Sprintf("not JSON: %s", string(f))}
	}
	return m
}

func (f frame) name() string { return fmt.Sprint(f.fields()["name"]) }

// take returns what the socket heard since the last time.
func (s *socket) take() []frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	heard := s.heard
	s.heard, s.latest = nil, 0
	return heard
}

// rosters returns how many frames of those that are not taken came by SendLatest.
func (s *socket) rosters() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// ends returns how it was closed; a socket that the manager treats well is closed once.
func (s *socket) ends() []wire.Close {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.closed)
}

// subscribed tells whether it is in a topic.
func (s *socket) subscribed(t outbox.TopicID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.topics, t)
}

func (s *socket) ID() uint64          { return s.id }
func (s *socket) Peer() auth.Peer     { return s.peer }
func (s *socket) OpenedAt() time.Time { return s.opened }

func (s *socket) Send(f *outbox.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.closed) == 0 {
		s.heard = append(s.heard, frame(f.Payload()))
	}
}

func (s *socket) SendLatest(f *outbox.Frame) {
	s.Send(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest++
}

func (s *socket) Close(why wire.Close) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, why)
}

func (s *socket) Subscribe(t outbox.TopicID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics = append(s.topics, t)
}

func (s *socket) Unsubscribe(t outbox.TopicID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics = slices.DeleteFunc(s.topics, func(other outbox.TopicID) bool { return other == t })
}

// outlet is all sockets that a test made.
type outlet struct{ sockets []*socket }

func (o *outlet) Publish(t outbox.TopicID, f *outbox.Frame) {
	for _, s := range o.sockets {
		if s.subscribed(t) {
			s.Send(f)
		}
	}
}

// application is what tests have in the place of scripts; a nil hook does nothing.
type application struct {
	open   func(c script.Client) error
	closed func(c script.Client, reason string) error
	failed func(c script.Client, problem string) error
	roster func(c script.Client) ([]byte, error)
	stop   func() error
	rows   int // how often Roster was called

	adopt       func(v wire.Value) (wire.Value, string)
	begun       int    // how often Started was called
	waits       bool   // something of it is left when it is replaced
	done        func() // set by Replaced
	interrupted error
}

// haveRun compares what turns have noted in ran with what they are to have run, in that order.
func (r *rig) haveRun(ran *[]string, want string) {
	r.Helper()
	r.turn(func() {
		if got := strings.Join(*ran, ", "); got != want {
			r.Errorf("ran %s, want %s", got, want)
		}
	})
}

// adoptPartly is how an application adopts a value that has a function, which it cannot.
func adoptPartly(v wire.Value) (adopted wire.Value, lost string) {
	return wire.Raw(fmt.Sprintf("adopted %s", v)), "a function"
}

var errTooDeep = errors.New("nested too deeply")

func (a *application) Decode(text []byte) (wire.Value, error) {
	if bytes.Contains(text, []byte("[[[[")) {
		return nil, errTooDeep
	}
	var m object
	err := json.Unmarshal(text, &m)
	return m, err
}

func (a *application) Open(c script.Client) error {
	if a.open == nil {
		return nil
	}
	return a.open(c)
}

func (a *application) Closed(c script.Client, reason string) error {
	if a.closed == nil {
		return nil
	}
	return a.closed(c, reason)
}

func (a *application) Failed(c script.Client, problem string) error {
	if a.failed == nil {
		return nil
	}
	return a.failed(c, problem)
}

func (a *application) Roster(c script.Client) ([]byte, error) {
	a.rows++
	if a.roster == nil {
		return c.AppendJSON(nil)
	}
	return a.roster(c)
}

func (a *application) Stop() error {
	if a.stop == nil {
		return nil
	}
	return a.stop()
}

func (a *application) Within(_ context.Context, run func()) { run() }
func (a *application) Adopt(v wire.Value) (wire.Value, string) {
	if a.adopt == nil {
		return v, ""
	}
	return a.adopt(v)
}

func (a *application) Started() { a.begun++ }

func (a *application) Replaced(done func()) {
	a.done = done
	if !a.waits {
		done()
	}
}

func (a *application) Interrupt(cause error) {
	a.interrupted = cause
	if a.waits {
		a.done()
	}
}

func (a *application) Forget(slot *any) {
	if *slot == any(a) {
		*slot = nil
	}
}

// object is a decoded message.
type object map[string]any

func (o object) AppendJSON(dst []byte) ([]byte, error) {
	text, err := json.Marshal(map[string]any(o))
	return append(dst, text...), err
}

func (o object) StringField(name string) (text string, ok bool) {
	text, ok = o[name].(string)
	return text, ok || o[name] == nil
}

// by is the field that tells one message from another.
func (o object) by() string {
	text, _ := o.StringField("by")
	return text
}

// must fails the test on an error of a registration.
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("got error %v, want nil", err)
	}
}

// register registers messages that answer with their own name.
func register(tb testing.TB, h script.Host, messages ...script.Message) {
	tb.Helper()
	for _, m := range messages {
		if m.Handle == nil {
			m.Handle = func(c script.Client, in script.Incoming) error {
				return h.Send([]script.Client{c}, in.Name+"Done", nil)
			}
		}
		if m.Source == "" {
			m.Source = "test.lua:" + m.Name
		}
		if err := h.Message(m); err != nil {
			tb.Fatalf("Message(%s) = %v, want nil", m.Name, err)
		}
	}
}

func contains(tb testing.TB, what, text string, parts ...string) {
	tb.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			tb.Errorf("%s = %q, want it to contain %q", what, text, part)
		}
	}
}
