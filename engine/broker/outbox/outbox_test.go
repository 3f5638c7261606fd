package outbox

import (
	"bufio"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// tick is the time between two calls of Tick.
const tick = time.Second

// start runs an outbox until the test ends. change modifies the default limits. Optional.
func start(t *testing.T, change func(l *config.Limits)) *Outbox {
	t.Helper()
	l := config.Default().Limits
	if change != nil {
		change(&l)
	}
	began := time.Now()
	o := New(l, config.Default().Resume, func() time.Duration { return time.Since(began) })
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { o.Run(ctx, tick) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return o
}

// client is the transport of a sender, and the other end of its connection.
type client struct {
	Sender
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader

	// Set before Join, never changed.
	tick     func(now time.Duration, idle bool) (ping bool, dead *wire.Close) // optional
	received uint64

	dead  atomic.Bool // Tick gives it up
	pings atomic.Bool // Tick pings it

	slow      chan int  // how many bytes waited
	closeSent chan bool // outOfSync
	over      chan struct{}
}

var _ Transport = (*client)(nil)

func (c *client) Tick(now time.Duration, idle bool) (ping bool, dead *wire.Close) {
	switch why := wire.CloseNoPong(); {
	case c.tick != nil:
		return c.tick(now, idle)
	case c.dead.Load():
		return false, &why
	}
	return c.pings.Load() && idle, nil
}

func (c *client) Received() uint64                          { return c.received }
func (c *client) TooSlow(_ string, _ any, queued int)       { c.slow <- queued }
func (c *client) Over()                                     { c.over <- struct{}{} }
func (c *client) CloseSent(outOfSync bool, _ time.Duration) { c.closeSent <- outOfSync }

// joinPipe joins a sender over a pipe: nothing is buffered on the way, and in a synctest bubble no time is lost.
func joinPipe(t *testing.T, o *Outbox) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	return joinOver(t, o, ours, theirs, nil, Features{})
}

// joinSocket joins a sender over sockets of the system.
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
	return joinOver(t, o, ours, theirs, nil, Features{})
}

func joinOver(
	t *testing.T, o *Outbox, ours, theirs net.Conn, onTick func(now time.Duration, idle bool) (bool, *wire.Close), f Features,
) *client {
	t.Helper()
	c := &client{
		t: t, conn: ours, in: bufio.NewReader(ours), tick: onTick,
		slow: make(chan int, 1), closeSent: make(chan bool, 1), over: make(chan struct{}, 1),
	}
	t.Cleanup(func() {
		_ = ours.Close() // either may be closed already
		_ = theirs.Close()
	})
	o.Join(&c.Sender, theirs, c, f)
	return c
}

// read returns the next frame, or the error that came in its place.
func (c *client) read() (first byte, payload string, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(testkit.Timeout)) // if this fails, reading does
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

// closedWith returns the reason with which the connection is closed, or the zero value while it is open.
func (c *client) closedWith() wire.Close {
	if r := c.closeRequest.Load(); r != nil {
		return r.Why
	}
	return wire.Close{}
}

// on calls f on the goroutine of a shard and waits for it.
func on(t *testing.T, s *shard, f func()) {
	t.Helper()
	if !s.callAndWait(t.Context(), f) {
		t.Fatal("the shard has ended")
	}
}

// ended ends the reading from a client, which cannot come back, and returns the reason for which the connection has ended.
func (c *client) ended(why wire.Close) wire.Close {
	r := c.Ended(why)
	c.ReaderDone(false)
	return r.Why
}
