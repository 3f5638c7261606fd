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

// The close frame comes after what was sent before. The first ending holds, whoever gives another.
func TestFinish(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := joinPipe(t, start(t, nil))
			c.Send(text("last words"))
			if c.Finished() {
				t.Error("before Finish: Finished() = true")
			}
			first := wire.CloseNormal("first")
			c.Finish(Ending{Why: first, Lost: lost})
			c.Finish(Ending{Why: wire.CloseNormal("second"), Echo: true, Lost: !lost})
			if !c.Finished() {
				t.Error("after Finish: Finished() = false")
			}
			c.want(TextFrame, "last words")
			if len(c.lingers) != 0 {
				t.Error("Linger was called before the close frame had been read")
			}
			began := time.Now()
			c.wantClose(first)
			if got := testkit.Receive(t, c.lingers, "Linger"); got != lost {
				t.Errorf("Linger(%v), want Linger(%v)", got, lost)
			}
			c.wantEnd()
			if took := time.Since(began); took < LingerTime || took > LingerTime+tick {
				t.Errorf("the connection ended %v after the close frame, want %v and at most a tick", took, LingerTime)
			}
			if got := c.Leave(wire.CloseLost("")); got != first {
				t.Errorf("Leave = %v, want %v", got, first)
			}
		})
	}
}

// A client that began the close is not waited for once it is answered, and one of which nothing is read any more is not
// waited for at all. What is queued for them still gets its chance.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, nil)
		bye, lost := wire.CloseNormal("bye"), wire.CloseLost("")
		answered, answeredLate, vanished := joinPipe(t, o), joinPipe(t, o), joinPipe(t, o)
		for _, c := range []*client{answered, answeredLate} {
			c.Send(text("still queued"))
			c.Finish(Ending{Why: bye, Echo: true})
		}
		if got := answeredLate.Leave(lost); got != bye {
			t.Errorf("Leave = %v, want %v", got, bye)
		}
		if got := vanished.Leave(lost); got != lost {
			t.Errorf("Leave = %v, want %v", got, lost)
		}
		began := time.Now()
		vanished.wantEnd()
		for _, c := range []*client{answered, answeredLate} {
			c.want(TextFrame, "still queued")
			c.wantClose(bye)
			c.wantEnd()
			if len(c.lingers) != 0 {
				t.Error("Linger was called for a client that had closed")
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the connections ended after %v, want at once", took)
		}
	})
}

// What Look asks for is done: a ping is written, and a client that is given up is cut.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Pointer[wire.Close]
		idles := make(chan bool, 10)
		ours, theirs := net.Pipe()
		c := joinOver(t, start(t, nil), ours, theirs, func(_ time.Duration, idle bool) (bool, *wire.Close) {
			idles <- idle
			return idle, dead.Load()
		})
		began := time.Now()
		c.want(PingFrame, "")
		if took := time.Since(began); took != tick || !<-idles {
			t.Errorf("the first ping came after %v, want %v, while nothing waits", took, tick)
		}
		c.Send(text("nobody reads this"))
		time.Sleep(tick)
		if <-idles {
			t.Error("Look while a frame waits: idle = true, want false")
		}
		why := wire.CloseNoPong()
		dead.Store(&why)
		time.Sleep(tick)
		synctest.Wait()
		c.wantEnd()
		if got := c.ended(); got != why {
			t.Errorf("the line ends with %v, want %v", got, why)
		}
	})
}

// Drain waits until everything is written, at most for as long as its patience.
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

// CloseAll closes everybody, however many, and Cut ends those that are left.
func TestCloseAllAndCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, func(l *config.Limits) { l.Shards = 2 })
		var clients []*client
		for range 3 * closedAtOnce {
			clients = append(clients, joinPipe(t, o))
		}
		o.CloseAll(t.Context(), wire.CloseRestart())
		half := len(clients) / 2
		for _, c := range clients[:half] {
			c.wantClose(wire.CloseRestart())
			c.Leave(wire.CloseLost(""))
			c.wantEnd()
		}
		if got, want := o.Cut(t.Context(), wire.CloseShutdown()), len(clients)-half; got != want {
			t.Errorf("Cut = %d, want %d", got, want)
		}
		for _, c := range clients[half:] {
			c.wantEnd()
			if got := c.ended(); got != wire.CloseRestart() {
				t.Fatalf("the line ends with %v, want %v", got, wire.CloseRestart())
			}
		}
	})
}

// What is waited for ends with its context: at once where that has ended.
func TestWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(config.Default().Limits, func() time.Duration { return 0 }) // it does not run: nothing is ever done
		c := joinPipe(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		o.Drain(ctx, time.Hour)
		o.CloseAll(ctx, wire.CloseShutdown())
		if n := o.Cut(ctx, wire.CloseShutdown()); n != 0 || c.Finished() {
			t.Errorf("Cut = %d, Finished() = %v, want 0, false", n, c.Finished())
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("Drain, CloseAll and Cut took %v, want 1s", took)
		}
	})
}

// A cut tells the client why where its socket takes that; the end of Run closes what is left, and after it nothing has an
// effect.
func TestCutAndEnd(t *testing.T) {
	o := New(config.Default().Limits, func() time.Duration { return 0 })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		o.Run(ctx, tick)
		close(ended)
	}()
	told := joinSocket(t, o)
	if got := o.Cut(t.Context(), wire.CloseShutdown()); got != 1 {
		t.Errorf("Cut = %d, want 1", got)
	}
	told.wantClose(wire.CloseShutdown())
	told.wantEnd()
	left := joinSocket(t, o)
	left.Send(text("the last"))
	left.want(TextFrame, "the last")
	cancel()
	testkit.Receive(t, ended, "end of Run")
	left.wantEnd()
	left.Send(text("nobody hears this"))
	left.Finish(Ending{Why: wire.CloseNormal("")})
	o.Publish(1, text("nobody hears this"))
	o.Drain(t.Context(), patience)
	o.CloseAll(t.Context(), wire.CloseShutdown())
	if got := o.Cut(t.Context(), wire.CloseShutdown()); got != 0 {
		t.Errorf("Cut after the end = %d, want 0", got)
	}
}

// Where there is no time left, CloseAll does nothing, and the clients are told by the cut.
func TestCloseAllTooLate(t *testing.T) {
	o := start(t, nil)
	c := joinSocket(t, o)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	o.CloseAll(ended, wire.CloseShutdown())
	on(t, c.shard, func() {})
	if c.Finished() {
		t.Errorf("after CloseAll without time the line ends with %v, want it open", c.ended())
	}
	if got := o.Cut(t.Context(), wire.CloseShutdown()); got != 1 {
		t.Errorf("Cut = %d, want 1", got)
	}
	c.wantClose(wire.CloseShutdown())
	c.wantEnd()
}

// A cut tells a client once how its line ends: the one whose end is settled and not yet written hears that, and the one
// that has heard it hears no more.
func TestCutWhileClosing(t *testing.T) {
	o := start(t, func(l *config.Limits) { l.Shards = 1 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	finishing, told := joinSocket(t, o), joinSocket(t, o)
	bye := wire.CloseNormal("bye")
	told.Finish(Ending{Why: bye})
	told.wantClose(bye)
	on(t, o.shards[0], func() {})
	release := make(chan struct{})
	o.shards[0].post(order{do: call, call: func(*shard) { <-release }}) // so that what follows comes in one walk
	finishing.Finish(Ending{Why: bye})
	o.Cut(ended, wire.CloseShutdown())
	close(release)
	finishing.wantClose(bye)
	finishing.wantEnd()
	told.wantEnd()
}

// A cut writes no close frame into the middle of another frame.
func TestCutInAFrame(t *testing.T) {
	o := start(t, nil)
	c := joinSocket(t, o)
	long := strings.Repeat("x", 32<<20) // more than the sockets take
	c.Send(text(long))
	c.Finish(Ending{Why: wire.CloseNormal("bye")})
	on(t, c.shard, func() {})
	on(t, c.shard, func() {}) // the walk before this one has written what the socket took
	if got := o.Cut(t.Context(), wire.CloseShutdown()); got != 1 {
		t.Errorf("Cut = %d, want 1", got)
	}
	all, err := io.ReadAll(c.in)
	if head := len(text(long).bytes) - len(long); err == nil && strings.Trim(string(all[head:]), "x") != "" {
		t.Errorf("after the begin of the frame came %q, want nothing else", strings.Trim(string(all[head:]), "x"))
	}
}

// Lines that come and go, whichever way, leave nothing behind.
func TestComingAndGoing(t *testing.T) {
	o := start(t, func(l *config.Limits) { l.Shards = 2 })
	const everybody = 9
	for i := range 300 {
		join := joinSocket
		if i%4 == 3 {
			join = joinPipe
		}
		c := join(t, o)
		c.Subscribe(everybody)
		c.Subscribe(TopicID(i % 3))
		o.Publish(everybody, text("welcome"))
		c.want(TextFrame, "welcome")
		switch i % 4 {
		case 0: // just goes
			_ = c.conn.Close()
		case 1:
			c.Finish(Ending{Why: wire.CloseNormal(fmt.Sprint(i))})
		case 2:
			c.Finish(Ending{Why: wire.CloseNormal(fmt.Sprint(i)), Echo: true})
		case 3:
			c.Send(text("nobody reads this"))
		}
		c.Leave(wire.CloseLost(""))
		c.Subscribe(everybody)
		c.SendLatest(text("too late"))
		c.Unsubscribe(everybody)
	}
	for _, s := range o.shards {
		var left [3]int
		on(t, s, func() { left = [3]int{len(s.lines), len(s.topics), len(s.blocked)} })
		if left != [3]int{} {
			t.Errorf("left in the shard: lines, topics, blocked %d, want none", left)
		}
		on(t, s, func() {}) // the walk before this one has counted its bytes
	}
	if got := o.queued.Load(); got != 0 {
		t.Errorf("%d bytes queued, want 0", got)
	}
}
