package outbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/config"
	"perigee/engine/wire"
)

// joinResumable joins a sender over a pipe whose connection can be resumed.
func joinResumable(t *testing.T, o *Outbox) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	return joinOver(t, o, ours, theirs, nil, Features{Resumable: true})
}

// resume goes on with a new socket. The first frame there must say whether that is complete, and with which number it goes on.
func (c *client) resume(o *Outbox, received int64, wantComplete bool, wantSent uint64) *client {
	c.t.Helper()
	next := joinResumable(c.t, o)
	done := make(chan bool, 1)
	next.Resume(&c.Sender, received, func(complete bool, sent uint64) *Frame {
		return text(fmt.Sprint(complete, sent))
	}, func(complete bool) { done <- complete })
	next.want(TextFrame, fmt.Sprint(wantComplete, wantSent))
	if complete := <-done; complete != wantComplete {
		c.t.Errorf("done(%v), want done(%v)", complete, wantComplete)
	}
	return next
}

// wantNothing checks that nothing more comes.
func (c *client) wantNothing() {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // if this fails, reading does
	if b, err := c.in.ReadByte(); err == nil {
		c.t.Errorf("read: got %#x, want nothing", b)
	}
}

// A connection to which the client may come back keeps what it is sent, whatever ended its socket. One that is over keeps nothing.
func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(o *Outbox, c *client)
		kept bool
	}{
		{"the socket fails", func(_ *Outbox, c *client) { _ = c.conn.Close() }, true},
		{"the reader ends", func(_ *Outbox, c *client) { c.Ended(wire.CloseAbnormal()); c.ReaderDone(true) }, true},
		{"the reader ends, and there is no room", func(_ *Outbox, c *client) { c.Ended(wire.CloseAbnormal()); c.ReaderDone(false) }, false},
		{"the socket fails, and there is no room", func(_ *Outbox, c *client) {
			_ = c.conn.Close()
			synctest.Wait()
			c.Ended(wire.CloseAbnormal())
			c.ReaderDone(false)
		}, false},
		{"the page is left", func(_ *Outbox, c *client) {
			c.Close(CloseRequest{Why: wire.Close{Code: wire.CodeGoingAway}, Reply: true, Resumable: true})
		}, true},
		{"the server fails", func(_ *Outbox, c *client) { c.Close(CloseRequest{Why: wire.CloseInternal(), Resumable: true}) }, true},
		{"no pong", func(_ *Outbox, c *client) { c.dead.Store(true); time.Sleep(tick) }, true},
		{"the server stops", func(o *Outbox, c *client) { o.CloseAll(c.t.Context(), wire.CloseRestart()) }, true},
		{"the server stops at once", func(o *Outbox, c *client) { o.AbortAll(c.t.Context(), wire.CloseRestart()) }, true},
		{"the client is too slow", func(_ *Outbox, c *client) {
			for range 2 * config.Default().Limits.SendQueueMessages {
				c.Send(NewPong(nil))
			}
		}, true},
		{"the client closes", func(_ *Outbox, c *client) { c.Close(CloseRequest{Why: wire.CloseNormal(""), Reply: true}) }, false},
		{"the server closes", func(_ *Outbox, c *client) { c.Close(CloseRequest{Why: wire.CloseNormal("")}) }, false},
		{"the server closes after the socket has failed", func(_ *Outbox, c *client) {
			_ = c.conn.Close()
			c.Send(text("so that this is noticed"))
			synctest.Wait()
			c.Close(CloseRequest{Why: wire.CloseNormal("")})
		}, false},
		{"it is forgotten", func(_ *Outbox, c *client) { _ = c.conn.Close(); c.Forget() }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := start(t, func(l *config.Limits) { l.Shards = 2 })
				c := joinResumable(t, o)
				c.Subscribe(1)
				c.Send(text("first")) // is being written when the socket ends
				synctest.Wait()
				tt.end(o, c)
				c.Send(text("second"))
				o.Publish(1, text("third"))
				c.SendLatest(text("roster 1"))
				c.SendLatest(text("roster 2"))
				synctest.Wait()
				_ = c.conn.Close()
				if !tt.kept {
					c.ReaderDone(false)
					next := joinResumable(t, o)
					done := make(chan bool, 1)
					next.Resume(&c.Sender, 0, func(complete bool, _ uint64) *Frame { return text(fmt.Sprint(complete)) }, func(complete bool) { done <- complete })
					next.want(TextFrame, "false")
					next.wantNothing()
					return
				}
				next := c.resume(o, 0, true, 0)
				for _, want := range []string{"first", "second", "third", "roster 2"} {
					next.want(TextFrame, want)
				}
				o.Publish(1, text("to the topic"))
				next.want(TextFrame, "to the topic")
				next.wantNothing()
			})
		})
	}
}

// A client that comes back before its loss was noticed takes its connection over, also while a frame is being written. Its old socket
// gets the rest of that frame and then 4409; what was queued goes to the new one.
func TestTakeOver(t *testing.T) {
	for _, shards := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			o := start(t, func(l *config.Limits) { l.Shards = shards })
			old := joinResumable(t, o)
			old.Send(text("read"))
			old.want(TextFrame, "read")
			long := strings.Repeat("x", 10_000) // more than the buffer of the client
			old.Send(text(long))
			old.Send(text("queued"))
			old.SendLatest(text("roster"))
			if b, err := old.in.Peek(10); err != nil {
				t.Fatalf("read: got %q, %v, want the beginning of a frame", b, err)
			}
			old.Subscribe(1)
			next := joinResumable(t, o)
			next.Subscribe(1)
			next.Subscribe(2)
			next.Resume(&old.Sender, 1, func(complete bool, sent uint64) *Frame { return text(fmt.Sprint(complete, sent)) }, func(bool) {})
			for topic := range TopicID(2) {
				o.Publish(1+topic, text(fmt.Sprint("topic ", 1+topic)))
			}
			next.Send(text("new"))
			old.Send(text("this has no receiver"))
			for _, want := range []string{"true 1", long, "queued", "roster", "topic 1", "topic 2", "new"} {
				next.want(TextFrame, want)
			}
			old.want(TextFrame, long)
			old.wantClose(wire.CloseTakenOver())
			if got := old.ended(wire.CloseAbnormal()); got != wire.CloseTakenOver() {
				t.Errorf("the old socket was closed with %v, want %v", got, wire.CloseTakenOver())
			}
			old.wantEnd()
			next.wantNothing()
		})
	}
}

// A client that claims to have received what it cannot have, or what is not kept, or that has forgotten everything, goes on without
// what it has missed, under the number of the last frame, and keeps its topics.
func TestIncomplete(t *testing.T) {
	for _, received := range []int64{-1, 0, 4, 1 << 62} {
		synctest.Test(t, func(t *testing.T) {
			o := start(t, nil)
			c := joinResumable(t, o)
			c.Subscribe(1)
			for i := range 3 {
				c.Send(text(fmt.Sprint(i)))
				c.want(TextFrame, fmt.Sprint(i))
			}
			c.Confirm(binary.BigEndian.AppendUint64(nil, 1))
			next := c.resume(o, received, false, 3)
			o.Publish(1, text("3"))
			next.want(TextFrame, "3")
			if got := next.Sent(); got != 4 {
				t.Errorf("Sent() = %d, want 4", got)
			}
			again := next.resume(o, 3, true, 3)
			again.want(TextFrame, "3")
		})
	}
}

// Over is called once for a connection that was kept: when it is resumed, forgotten or closed, before or after its reader has ended.
func TestOver(t *testing.T) {
	over := map[string]func(o *Outbox, c *client){
		"resumed":   func(o *Outbox, c *client) { c.resume(o, 0, true, 0) },
		"forgotten": func(_ *Outbox, c *client) { c.Forget(); c.Forget() },
	}
	for name, end := range over {
		for _, early := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				o := start(t, nil)
				c := joinResumable(t, o)
				_ = c.conn.Close()
				c.Ended(wire.CloseAbnormal())
				if early {
					end(o, c)
				}
				c.ReaderDone(true)
				synctest.Wait()
				if got := len(c.over); !early && got != 0 {
					t.Errorf("%s: Over was called while the connection is away", name)
				}
				if !early {
					end(o, c)
				}
				synctest.Wait()
				if got := len(c.over); got != 1 {
					t.Errorf("%s, before the reader has ended %v: Over was called %d times, want once", name, early, got)
				}
			})
		}
	}
}

// A frame that SendLatest replaces while the client is away can still be replaced after the return, until it is written.
func TestLatestAfterReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, nil)
		c := joinResumable(t, o)
		_ = c.conn.Close()
		c.Ended(wire.CloseAbnormal())
		c.ReaderDone(true)
		c.Send(text("a"))
		c.SendLatest(text("roster 1"))
		c.Send(text("b"))
		next := joinResumable(t, o)
		next.Resume(&c.Sender, 0, func(bool, uint64) *Frame { return text("hello") }, func(bool) {})
		synctest.Wait() // hello is being written
		next.SendLatest(text("roster 2"))
		for _, want := range []string{"hello", "a", "roster 2", "b"} {
			next.want(TextFrame, want)
		}
		next.wantNothing()
	})
}

// A socket that ends before the connection has moved to it, because the server stops or because the client is gone, loses nothing.
func TestResumeFails(t *testing.T) {
	for name, end := range map[string]func(o *Outbox, c *client){
		"aborted": func(o *Outbox, c *client) { o.AbortAll(c.t.Context(), wire.CloseShutdown()) },
		"closed":  func(o *Outbox, c *client) { o.CloseAll(c.t.Context(), wire.CloseShutdown()) },
		"gone":    func(_ *Outbox, c *client) { _ = c.conn.Close(); c.Ended(wire.CloseAbnormal()); c.ReaderDone(true) },
	} {
		synctest.Test(t, func(t *testing.T) {
			o := start(t, func(l *config.Limits) { l.Shards = 2 })
			c := joinResumable(t, o)
			c.Subscribe(1)
			c.Send(text("missed"))
			synctest.Wait()
			_ = c.conn.Close()
			next := joinResumable(t, o)
			release := make(chan struct{})
			c.shard.post(op{kind: opCall, call: func(*shard) { <-release }}) // so that the transfer does not come
			next.Resume(&c.Sender, 0, func(bool, uint64) *Frame { return text("hello") }, func(bool) {})
			next.Send(text("later"))
			if next.shard == c.shard {
				t.Fatal("both senders belong to the same shard")
			}
			stopping := make(chan struct{})
			go func() { end(o, next); close(stopping) }()
			synctest.Wait()
			close(release)
			<-stopping
			_ = next.conn.Close()
			o.Publish(1, text("published"))
			if got := next.Sent(); got != 3 {
				t.Errorf("%s: Sent() = %d, want 3", name, got)
			}
			last := next.resume(o, 0, true, 0)
			for _, want := range []string{"missed", "later", "published"} {
				last.want(TextFrame, want)
			}
		})
	}
}

// A connection that is restored for a client of a previous server is away from the beginning. It is complete if the client gets
// everything that it has not received.
func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, nil)
		c := &client{t: t}
		o.Restore(&c.Sender, c, 7, [][]byte{[]byte("sixth"), []byte("seventh")})
		c.Subscribe(1)
		o.Publish(1, text("published"))
		if kept := c.Kept(); c.Sent() != 8 || len(kept) != 3 || string(kept[0]) != "sixth" || o.Kept() == 0 {
			t.Errorf("%d frames are sent, %q kept, want 8 and the last three", c.Sent(), kept)
		}
		next := c.resume(o, 6, true, 6)
		next.want(TextFrame, "seventh")
		next.want(TextFrame, "published")
	})
	for _, received := range []int64{7, 6} {
		synctest.Test(t, func(t *testing.T) {
			o := start(t, nil)
			c := &client{t: t}
			o.Restore(&c.Sender, c, 7, nil)
			c.Subscribe(1)
			o.Publish(1, text("published"))
			if received == 7 {
				c.resume(o, received, true, 7).want(TextFrame, "published")
				return
			}
			c.resume(o, received, false, 8).wantNothing()
		})
	}
}

// After the end of an outbox its connections still know how many frames they were sent, and none can be resumed.
func TestResumeAfterEnd(t *testing.T) {
	o := New(config.Default().Limits, config.Default().Resume, func() time.Duration { return 0 })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		o.Run(ctx, tick)
		close(ended)
	}()
	c, plain := joinResumable(t, o), joinPipe(t, o)
	c.Send(text("x"))
	c.want(TextFrame, "x")
	cancel()
	<-ended
	if c.Sent() != 1 || plain.Sent() != 0 {
		t.Errorf("Sent() = %d, and %d for one that cannot be resumed, want 1 and 0", c.Sent(), plain.Sent())
	}
	done := make(chan bool, 1)
	joinResumable(t, o).Resume(&c.Sender, 1, nil, func(complete bool) { done <- complete })
	if complete := <-done; complete {
		t.Error("done(true), want done(false)")
	}
}
