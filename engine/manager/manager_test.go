package manager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/handshake"
	"perigee/engine/loop"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

const goodKey = "correct horse battery"

// allConnections is the topic of all connections.
const allConnections outbox.TopicID = 0

// testManager is a manager on a real loop, with a fake application and fake sockets. It runs in a synctest bubble.
type testManager struct {
	testing.TB
	m       *Manager
	h       script.Host
	loop    *loop.Loop
	app     *application
	clients *publisher
	log     *testkit.LogBuffer
	stopped []wire.Close
	halt    func() // ends the loop and waits for it
}

func defaults() Options {
	c := config.Default()
	return Options{Key: auth.NewKey(goodKey), Limits: c.Limits, Roster: c.Roster, Resume: c.Resume}
}

// inBubble runs a test in a synctest bubble, with a manager whose scripts run load.
func inBubble(t *testing.T, o Options, load, test func(tm *testManager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		tm := newTestManager(t, o)
		tm.install(func(script.Host) {
			if load != nil {
				load(tm)
			}
		})
		test(tm)
	})
}

func newTestManager(tb testing.TB, o Options) *testManager {
	tb.Helper()
	tm := &testManager{TB: tb, app: &application{}, clients: &publisher{}, log: &testkit.LogBuffer{}}
	o.Stop = func(why wire.Close) { tm.stopped = append(tm.stopped, why) }
	tm.loop = loop.New(loop.Options{})
	tm.m = New(o, tm.loop, slog.New(slog.NewTextHandler(tm.log, nil)))
	tm.m.SetPublisher(tm.clients)
	tm.h = tm.m.Host()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { tm.loop.Run(ctx) })
	tm.halt = func() {
		cancel()
		wg.Wait()
	}
	tb.Cleanup(tm.halt)
	return tm
}

// swap makes a generation the one that runs.
func (tm *testManager) swap(next *generation) error {
	tm.m.swap(next)
	return nil
}

func (tm *testManager) install(load func(h script.Host)) {
	tm.Helper()
	_, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
		tm.h = h
		if load != nil {
			load(h)
		}
		return tm.app, nil
	})
	if err != nil {
		tm.Fatalf("Install = %v, want nil", err)
	}
}

// turn runs f as a turn and waits for its end.
func (tm *testManager) turn(f func()) {
	tm.Helper()
	err := tm.m.runTurn(tm.Context(), "test", func() error {
		f()
		tm.m.hub.Flush()
		return nil
	})
	if err != nil {
		tm.Fatalf("a turn of the test = %v, want nil", err)
	}
}

// send sends a message to one client.
func (tm *testManager) send(c script.Client, name string, fields wire.Fields) error {
	return tm.h.Send([]script.Client{c}, name, fields)
}

// open opens a new connection. The frames that it has been sent by then are discarded.
func (tm *testManager) open() (*socket, *hub.Connection) {
	tm.Helper()
	s := tm.newSocket()
	tm.m.Open(s)
	synctest.Wait()
	s.take()
	var c *hub.Connection
	tm.turn(func() { c = tm.m.hub.ByConn(s) })
	return s, c
}

// quiet waits until the interval of the roster has passed, and discards the frames that were sent.
func (tm *testManager) quiet() {
	time.Sleep(time.Second)
	synctest.Wait()
	for _, s := range tm.clients.sockets {
		s.take()
	}
}

func (tm *testManager) newSocket() *socket {
	s := &socket{
		id:     uint64(len(tm.clients.sockets) + 1),
		peer:   auth.Peer{Addr: netip.MustParseAddr("192.0.2.7")},
		opened: time.Now(),
	}
	tm.clients.mu.Lock()
	defer tm.clients.mu.Unlock()
	tm.clients.sockets = append(tm.clients.sockets, s)
	return s
}

func (tm *testManager) say(s *socket, text string) {
	tm.m.Message(s, []byte(text))
	synctest.Wait()
}

// application replaces the scripts in tests. A nil hook does nothing.
type application struct {
	connect func(r *handshake.Request, c script.Client) (*handshake.Refusal, error)
	open    func(c script.Client) error
	closed  func(c script.Client, reason string) error
	drop    func(c script.Client) error
	resume  func(c script.Client, complete bool) error
	failed  func(c script.Client, problem string) error
	roster  func(c script.Client) ([]byte, error)
	stop    func() error
	read    func(body []byte, queue string) (script.ParsedJob, error)
	rows    int // how often RosterEntry was called

	adopt       func(v wire.Value) (wire.Value, string)
	starts      int    // how often Start was called
	waits       bool   // it has something left to do when it is replaced
	done        func() // set by Retire
	interrupted error
}

// haveRun compares the names that turns have recorded in ran with the wanted ones, in order.
func (tm *testManager) haveRun(ran *[]string, want string) {
	tm.Helper()
	tm.turn(func() {
		if got := strings.Join(*ran, ", "); got != want {
			tm.Errorf("ran %s, want %s", got, want)
		}
	})
}

// adoptPartly adopts a value with a function, which cannot be adopted.
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

func (a *application) DecodeField(text []byte) (wire.Value, error) {
	if bytes.Contains(text, []byte("[[[[")) {
		return nil, errTooDeep
	}
	return wire.Raw(text), nil
}

func (a *application) EncodeData(v wire.Value) ([]byte, error)    { return v.AppendJSON(nil) }
func (a *application) DecodeData(text []byte) (wire.Value, error) { return a.DecodeField(text) }

func (a *application) HasConnect() bool { return a.connect != nil }

func (a *application) OnConnect(r *handshake.Request, _ auth.Peer, c script.Client) (*handshake.Refusal, error) {
	return a.connect(r, c)
}

func (a *application) OnOpen(c script.Client) error {
	if a.open == nil {
		return nil
	}
	return a.open(c)
}

func (a *application) OnDrop(c script.Client) error {
	if a.drop == nil {
		return nil
	}
	return a.drop(c)
}

func (a *application) OnResume(c script.Client, complete bool) error {
	if a.resume == nil {
		return nil
	}
	return a.resume(c, complete)
}

func (a *application) OnClose(c script.Client, reason string) error {
	if a.closed == nil {
		return nil
	}
	return a.closed(c, reason)
}

func (a *application) OnError(c script.Client, problem string) error {
	if a.failed == nil {
		return nil
	}
	return a.failed(c, problem)
}

func (a *application) RosterEntry(c script.Client) ([]byte, error) {
	a.rows++
	if a.roster == nil {
		return c.AppendJSON(nil)
	}
	return a.roster(c)
}

func (a *application) ParseJob(body []byte, queue string) (script.ParsedJob, error) {
	if a.read == nil {
		return script.ParsedJob{}, nil
	}
	return a.read(body, queue)
}

func (a *application) OnStop() error {
	if a.stop == nil {
		return nil
	}
	return a.stop()
}

func (a *application) RunWithin(_ context.Context, run func()) { run() }
func (a *application) Adopt(v wire.Value) (wire.Value, string) {
	if a.adopt == nil {
		return v, ""
	}
	return a.adopt(v)
}

func (a *application) Start() { a.starts++ }

func (a *application) Retire(done func()) {
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

func (a *application) ClearSlot(slot *any) {
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

// by returns the field that distinguishes messages.
func (o object) by() string {
	text, _ := o.StringField("by")
	return text
}

// must fails the test if err is not nil.
func (tm *testManager) must(err error) {
	tm.Helper()
	if err != nil {
		tm.Fatalf("got error %v, want nil", err)
	}
}

// register registers messages that reply with their own name.
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
