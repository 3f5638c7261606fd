package outbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// The close frame comes after the frames sent before it. The first Close decides, and later ones are no-ops.
func TestClose(t *testing.T) {
	for _, outOfSync := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := joinPipe(t, start(t, nil))
			c.Send(text("last words"))
			if c.IsClosing() {
				t.Error("before Close: IsClosing() = true")
			}
			first := wire.CloseNormal("first")
			c.Close(CloseRequest{Why: first, OutOfSync: outOfSync})
			c.Close(CloseRequest{Why: wire.CloseNormal("second"), Reply: true, OutOfSync: !outOfSync})
			if !c.IsClosing() {
				t.Error("after Close: IsClosing() = false")
			}
			c.want(TextFrame, "last words")
			if len(c.closeSent) != 0 {
				t.Error("CloseSent was called before the close frame had been read")
			}
			began := time.Now()
			c.wantClose(first)
			if got := testkit.Receive(t, c.closeSent, "CloseSent"); got != outOfSync {
				t.Errorf("CloseSent(%v), want CloseSent(%v)", got, outOfSync)
			}
			c.wantEnd()
			if took := time.Since(began); took < CloseTimeout || took > CloseTimeout+tick {
				t.Errorf("the connection ended %v after the close frame, want %v and at most a tick", took, CloseTimeout)
			}
			if got := c.ended(wire.CloseAbnormal()); got != first {
				t.Errorf("ended = %v, want %v", got, first)
			}
		})
	}
}

// After a client's close has been answered, the server does not wait for it. It does not wait at all for a client from which
// nothing is read any more. What is queued for them is still written, if the socket accepts it.
func TestReaderDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, nil)
		bye, lost := wire.CloseNormal("bye"), wire.CloseAbnormal()
		answered, answeredLate, disconnected := joinPipe(t, o), joinPipe(t, o), joinPipe(t, o)
		for _, c := range []*client{answered, answeredLate} {
			c.Send(text("still queued"))
			c.Close(CloseRequest{Why: bye, Reply: true})
		}
		if got := answeredLate.ended(lost); got != bye {
			t.Errorf("ended = %v, want %v", got, bye)
		}
		if got := disconnected.ended(lost); got != lost {
			t.Errorf("ended = %v, want %v", got, lost)
		}
		began := time.Now()
		disconnected.wantEnd()
		for _, c := range []*client{answered, answeredLate} {
			c.want(TextFrame, "still queued")
			c.wantClose(bye)
			c.wantEnd()
			if len(c.closeSent) != 0 {
				t.Error("CloseSent was called for a client that had closed")
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the connections ended after %v, want at once", took)
		}
	})
}

// What Tick returns is done: a ping is written, and the connection of a dead client is aborted.
func TestTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Pointer[wire.Close]
		idles := make(chan bool, 10)
		ours, theirs := net.Pipe()
		c := joinOver(t, start(t, nil), ours, theirs, func(_ time.Duration, idle bool) (bool, *wire.Close) {
			idles <- idle
			return idle, dead.Load()
		}, Features{})
		began := time.Now()
		c.want(PingFrame, "")
		if took := time.Since(began); took != tick || !<-idles {
			t.Errorf("the first ping came after %v, want %v, while nothing waits", took, tick)
		}
		c.Send(text("this is not read"))
		time.Sleep(tick)
		if <-idles {
			t.Error("Tick while a frame waits: idle = true, want false")
		}
		why := wire.CloseNoPong()
		dead.Store(&why)
		time.Sleep(tick)
		synctest.Wait()
		c.wantEnd()
		if got := c.closedWith(); got != why {
			t.Errorf("the connection is closed with %v, want %v", got, why)
		}
	})
}

// Drain waits until everything is written, at most until its timeout.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, func(l *config.Limits) { l.Shards = 2 })
		clients := []*client{joinPipe(t, o), joinPipe(t, o)}
		for _, c := range clients {
			c.Send(text("slowly"))
		}
		synctest.Wait()
		for i, want := range []time.Duration{time.Second, time.Second, 0} {
			began := time.Now()
			o.Drain(t.Context(), time.Second)
			if took := time.Since(began); took != want {
				t.Errorf("Drain with %d clients that do not read took %v, want %v", len(clients)-i, took, want)
			}
			if i < len(clients) {
				clients[i].want(TextFrame, "slowly")
			}
		}
	})
}

// CloseAll closes all connections, however many, and AbortAll ends those that are left.
func TestCloseAllAndAbortAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, func(l *config.Limits) { l.Shards = 2 })
		var clients []*client
		for range 3 * closeBatch {
			clients = append(clients, joinPipe(t, o))
		}
		o.CloseAll(t.Context(), wire.CloseRestart())
		half := len(clients) / 2
		for _, c := range clients[:half] {
			c.wantClose(wire.CloseRestart())
			c.ended(wire.CloseAbnormal())
			c.wantEnd()
		}
		if got, want := o.AbortAll(t.Context(), wire.CloseShutdown()), len(clients)-half; got != want {
			t.Errorf("AbortAll = %d, want %d", got, want)
		}
		for _, c := range clients[half:] {
			c.wantEnd()
			if got := c.closedWith(); got != wire.CloseRestart() {
				t.Fatalf("the connection is closed with %v, want %v", got, wire.CloseRestart())
			}
		}
	})
}

// Methods that wait return when their context ends, or at once if it has ended.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(config.Default().Limits, config.Default().Resume, func() time.Duration { return 0 }) // it does not run: nothing is ever done
		c := joinPipe(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		o.Drain(ctx, time.Hour)
		o.CloseAll(ctx, wire.CloseShutdown())
		if n := o.AbortAll(ctx, wire.CloseShutdown()); n != 0 || c.IsClosing() {
			t.Errorf("AbortAll = %d, IsClosing() = %v, want 0, false", n, c.IsClosing())
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("Drain, CloseAll and AbortAll took %v, want 1s", took)
		}
	})
}

// AbortAll sends the client a close frame if its socket accepts it. The end of Run closes the remaining connections, and after
// it all calls are no-ops.
func TestAbortAllAndEnd(t *testing.T) {
	o := New(config.Default().Limits, config.Default().Resume, func() time.Duration { return 0 })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		o.Run(ctx, tick)
		close(ended)
	}()
	told := joinSocket(t, o)
	if got := o.AbortAll(t.Context(), wire.CloseShutdown()); got != 1 {
		t.Errorf("AbortAll = %d, want 1", got)
	}
	told.wantClose(wire.CloseShutdown())
	told.wantEnd()
	left := joinSocket(t, o)
	left.Send(text("the last"))
	left.want(TextFrame, "the last")
	cancel()
	testkit.Receive(t, ended, "end of Run")
	left.wantEnd()
	left.Send(text("this has no receiver"))
	left.Close(CloseRequest{Why: wire.CloseNormal("")})
	o.Publish(1, text("this has no receiver"))
	o.Drain(t.Context(), testkit.Timeout)
	o.CloseAll(t.Context(), wire.CloseShutdown())
	if got := o.AbortAll(t.Context(), wire.CloseShutdown()); got != 0 {
		t.Errorf("AbortAll after the end = %d, want 0", got)
	}
}

// If its context has ended, CloseAll does nothing, and AbortAll sends the close frames.
func TestCloseAllTooLate(t *testing.T) {
	o := start(t, nil)
	c := joinSocket(t, o)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	o.CloseAll(ended, wire.CloseShutdown())
	on(t, c.shard, func() {})
	if c.IsClosing() {
		t.Errorf("after CloseAll with an ended context the connection is closed with %v, want it open", c.closedWith())
	}
	if got := o.AbortAll(t.Context(), wire.CloseShutdown()); got != 1 {
		t.Errorf("AbortAll = %d, want 1", got)
	}
	c.wantClose(wire.CloseShutdown())
	c.wantEnd()
}

// AbortAll sends a client one close frame only: the reason that was given before if it is not written yet, and nothing if it
// is.
func TestAbortAllWhileClosing(t *testing.T) {
	o := start(t, func(l *config.Limits) { l.Shards = 1 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	closing, told := joinSocket(t, o), joinSocket(t, o)
	bye := wire.CloseNormal("bye")
	told.Close(CloseRequest{Why: bye})
	told.wantClose(bye)
	on(t, o.shards[0], func() {})
	release := make(chan struct{})
	o.shards[0].post(op{kind: opCall, call: func(*shard) { <-release }}) // so that what follows comes in one batch
	closing.Close(CloseRequest{Why: bye})
	o.AbortAll(ended, wire.CloseShutdown())
	close(release)
	closing.wantClose(bye)
	closing.wantEnd()
	told.wantEnd()
}

// AbortAll writes no close frame into the middle of another frame.
func TestAbortAllInAFrame(t *testing.T) {
	o := start(t, nil)
	c := joinSocket(t, o)
	long := strings.Repeat("x", 32<<20) // more than the sockets accept
	c.Send(text(long))
	c.Close(CloseRequest{Why: wire.CloseNormal("bye")})
	on(t, c.shard, func() {})
	on(t, c.shard, func() {}) // the batch before this one has written what the socket accepted
	if got := o.AbortAll(t.Context(), wire.CloseShutdown()); got != 1 {
		t.Errorf("AbortAll = %d, want 1", got)
	}
	all, err := io.ReadAll(c.in)
	if head := len(text(long).bytes) - len(long); err == nil && strings.Trim(string(all[head:]), "x") != "" {
		t.Errorf("after the beginning of the frame came %q, want nothing else", strings.Trim(string(all[head:]), "x"))
	}
}

// Connections that open and close, in any way, leave no resources behind.
func TestComingAndGoing(t *testing.T) {
	o := start(t, func(l *config.Limits) { l.Shards = 2 })
	const all = 9
	for i := range 300 {
		join := joinSocket
		if i%4 == 3 {
			join = joinPipe
		}
		c := join(t, o)
		c.Subscribe(all)
		c.Subscribe(TopicID(i % 3))
		o.Publish(all, text("welcome"))
		c.want(TextFrame, "welcome")
		switch i % 4 {
		case 0: // disconnects
			_ = c.conn.Close()
		case 1:
			c.Close(CloseRequest{Why: wire.CloseNormal(fmt.Sprint(i))})
		case 2:
			c.Close(CloseRequest{Why: wire.CloseNormal(fmt.Sprint(i)), Reply: true})
		case 3:
			c.Send(text("this is not read"))
		}
		c.ended(wire.CloseAbnormal())
		c.Subscribe(all)
		c.SendLatest(text("too late"))
		c.Unsubscribe(all)
	}
	for _, s := range o.shards {
		var left [3]int
		on(t, s, func() { left = [3]int{len(s.senders), len(s.topics), len(s.blocked)} })
		if left != [3]int{} {
			t.Errorf("left in the shard: senders, topics, blocked %d, want none", left)
		}
		on(t, s, func() {}) // the batch before this one has counted its bytes
	}
	if got := o.queued.Load(); got != 0 {
		t.Errorf("%d bytes queued, want 0", got)
	}
}
