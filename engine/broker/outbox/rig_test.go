package outbox

import (
	"bufio"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// patience is how long anything may take before a test gives up: a guard against hanging, not a measurement.
const patience = 2 * time.Minute

// tick is the time between two looks at each client.
const tick = time.Second

// start runs an outbox with the default limits as change alters them, until the test ends.
func start(t *testing.T, change func(l *config.Limits)) *Outbox {
	t.Helper()
	l := config.Default().Limits
	if change != nil {
		change(&l)
	}
	began := time.Now()
	o := New(l, func() time.Duration { return time.Since(began) })
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { o.Run(ctx, tick) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return o
}

// client is the recipient of a line, and the other end of its connection.
type client struct {
	Line
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader

	// Set before the line is joined, never changed.
	look func(now time.Duration, idle bool) (ping bool, dead *wire.Close) // nil asks for nothing

	slow    chan int  // how many bytes waited
	lingers chan bool // whether the client was lost
}

var _ Recipient = (*client)(nil)

func (c *client) Look(now time.Duration, idle bool) (ping bool, dead *wire.Close) {
	if c.look == nil {
		return false, nil
	}
	return c.look(now, idle)
}

func (c *client) Slow(queued int)  { c.slow <- queued }
func (c *client) Linger(lost bool) { c.lingers <- lost }

// joinPipe joins a line over a pipe: nothing is buffered on the way, and in a bubble of synctest no time is lost.
func joinPipe(t *testing.T, o *Outbox) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	return joinOver(t, o, ours, theirs, nil)
}

// joinSocket joins a line over sockets of the system.
func joinSocket(t *testing.T, o *Outbox) *client {
	t.Helper()
	var on net.ListenConfig
	l, err := on.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var dialer net.Dialer
	ours, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return joinOver(t, o, ours, theirs, nil)
}

func joinOver(t *testing.T, o *Outbox, ours, theirs net.Conn, look func(now time.Duration, idle bool) (bool, *wire.Close)) *client {
	t.Helper()
	c := &client{
		t: t, conn: ours, in: bufio.NewReader(ours), look: look,
		slow: make(chan int, 1), lingers: make(chan bool, 1),
	}
	t.Cleanup(func() {
		_ = ours.Close() // either may have ended before
		_ = theirs.Close()
	})
	o.Join(&c.Line, theirs, c)
	return c
}

// read returns the next frame, or the error that came in its place.
func (c *client) read() (first byte, payload string, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience)) // where this fails, reading does
	return testkit.ReadFrame(c.in)
}

// want reads a frame that must be as given.
func (c *client) want(first byte, payload string) {
	c.t.Helper()
	gotFirst, got, err := c.read()
	if err != nil || gotFirst != first || got != payload {
		c.t.Fatalf("read: got %#x %.80q, %v, want %#x %.80q", gotFirst, got, err, first, payload)
	}
}

// wantClose reads the close frame, which must be as given.
func (c *client) wantClose(why wire.Close) {
	c.t.Helper()
	c.want(CloseFrame, string(NewClose(why).Payload()))
}

// wantEnd reads the end of the connection.
func (c *client) wantEnd() {
	c.t.Helper()
	if first, payload, err := c.read(); err == nil {
		c.t.Fatalf("read: got %#x %.80q, want the end", first, payload)
	}
}

// ended is how the line ends; the zero value where that is not settled.
func (c *client) ended() wire.Close {
	if end := c.end.Load(); end != nil {
		return end.Why
	}
	return wire.Close{}
}

// on has a shard call f, and waits for that.
func on(t *testing.T, s *shard, f func()) {
	t.Helper()
	if !s.ask(t.Context(), f) {
		t.Fatal("the shard has ended")
	}
}
