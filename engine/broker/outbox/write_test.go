package outbox

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// Calls of any methods from one goroutine take effect in their order.
func TestOrder(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			o := start(t, func(l *config.Limits) { l.Shards, l.SendQueueMessages = shards, 0 })
			var clients []*client
			for range 5 {
				clients = append(clients, joinSocket(t, o))
			}
			const topic, other = 7, 8
			o.Publish(topic, text("there are no subscribers yet"))
			for _, c := range clients {
				c.Subscribe(topic)
				c.Subscribe(topic)
				c.Subscribe(other)
			}
			const rounds = 500
			for i := range rounds {
				o.Publish(other, text(fmt.Sprint("other ", i)))
				o.Publish(topic, text(fmt.Sprint("topic ", i)))
				for _, c := range clients {
					c.Send(text(fmt.Sprint("send ", i)))
				}
			}
			for _, c := range clients {
				c.Unsubscribe(topic)
			}
			o.Publish(topic, text("this has no receiver"))
			for _, c := range clients {
				c.SendLatest(text("latest"))
				c.Close(CloseRequest{Why: wire.CloseNormal("done")})
				c.Send(text("after the close"))
			}
			for _, c := range clients {
				for i := range rounds {
					for _, how := range []string{"other", "topic", "send"} {
						c.want(TextFrame, fmt.Sprint(how, " ", i))
					}
				}
				c.want(TextFrame, "latest")
				c.wantClose(wire.CloseNormal("done"))
			}
		})
	}
}

// Frames for the same client arrive whole, whether they are joined, long, or longer than the socket accepts at once.
func TestLengths(t *testing.T) {
	c := joinSocket(t, start(t, func(l *config.Limits) { l.SendQueueBytes = 0 }))
	sizes := []int{0, 1, 125, 126, minAlone - 5, minAlone, 200, 200, maxJoined, 3, 65_535, 65_536, 5_000_000, 10, 10}
	for i, size := range sizes {
		c.Send(text(strings.Repeat(string(rune('a'+i)), size)))
	}
	for i, size := range sizes {
		c.want(TextFrame, strings.Repeat(string(rune('a'+i)), size))
	}
}

// SendLatest replaces the frame before it, in its place, unless a byte of that has been written.
func TestSendLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, func(l *config.Limits) { l.SendQueueMessages, l.SendQueueBytes = 2, 10 })
		c := joinPipe(t, o)
		c.SendLatest(text("roster 1"))
		synctest.Wait() // the frame is being written
		c.SendLatest(text("roster 2, which is longer than the queue may be"))
		c.Send(text("a"))
		c.SendLatest(text("roster 3, which is longer than the queue may be"))
		synctest.Wait()
		c.SendLatest(text("roster 4, which is longer than the queue may be"))
		c.Send(text("b"))
		c.want(TextFrame, "roster 1")
		c.want(TextFrame, "roster 4, which is longer than the queue may be")
		c.want(TextFrame, "a")
		c.want(TextFrame, "b")
		c.SendLatest(text("roster 5"))
		c.want(TextFrame, "roster 5")
		synctest.Wait()
		if got := o.queued.Load(); got != 0 {
			t.Errorf("after everything was read: %d bytes queued, want 0", got)
		}
	})
}

// The connection of a client that does not read is closed with 4408 when its queue is full: by bytes or by messages, whichever
// comes first. A frame that is being written does not count; of the queue, the client gets that frame and then the close frame.
func TestQueueLimits(t *testing.T) {
	for _, tt := range []struct {
		name            string
		messages, bytes int
		sizes           []int // of frames, header included
		abort           bool  // with the last
	}{
		{"two in the queue", 2, 1000, []int{10, 10, 10}, false},
		{"three in a queue for two", 2, 1000, []int{10, 10, 10, 10}, true},
		{"as many bytes as fit", 100, 100, []int{10, 50, 50}, false},
		{"one byte more", 100, 100, []int{10, 50, 51}, true},
		{"a long one while nothing is queued", 100, 100, []int{1000}, false},
		{"a long one after one that is being written", 100, 100, []int{1000, 1000}, false},
		{"anything after a long one", 100, 100, []int{1000, 1000, 3}, true},
		{"no limits", 0, 0, []int{1000, 1000, 1000, 1000}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := start(t, func(l *config.Limits) {
					l.SendQueueMessages, l.SendQueueBytes = tt.messages, config.Size(tt.bytes)
				})
				c := joinPipe(t, o)
				queued := 0
				for i, size := range tt.sizes {
					if len(c.slow) != 0 {
						t.Fatalf("aborted before frame %d, with %d bytes queued", i, <-c.slow)
					}
					f := text(strings.Repeat("x", size))
					f.bytes = f.bytes[len(f.bytes)-size:] // for a round number
					c.Send(f)
					synctest.Wait()
					queued += size
				}
				if !tt.abort {
					if len(c.slow) != 0 {
						t.Errorf("the connection was aborted with %d bytes queued", <-c.slow)
					}
					return
				}
				queued -= tt.sizes[len(tt.sizes)-1]
				if got := testkit.Receive(t, c.slow, "TooSlow"); got != queued {
					t.Errorf("TooSlow(%d), want TooSlow(%d)", got, queued)
				}
				if got := c.closedWith(); got != wire.CloseTooSlow() {
					t.Errorf("the connection is closed with %v, want %v", got, wire.CloseTooSlow())
				}
				written := make([]byte, tt.sizes[0])
				if _, err := io.ReadFull(c.in, written); err != nil || strings.Trim(string(written), "x") != "" {
					t.Errorf("read: got %.80q, %v, want the frame that was being written", written, err)
				}
				c.wantClose(wire.CloseTooSlow())
				c.wantEnd()
				if got := o.queued.Load(); got != 0 {
					t.Errorf("after the abort: %d bytes queued, want 0", got)
				}
			})
		})
	}
}

// Other limits apply from the next frame on.
func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, nil)
		c := joinPipe(t, o)
		for i := range 3 {
			c.Send(text(fmt.Sprint(i)))
			synctest.Wait()
		}
		l := config.Default().Limits
		l.SendQueueMessages = 2
		o.Configure(l, config.Default().Resume)
		synctest.Wait()
		if len(c.slow) != 0 {
			t.Fatalf("the connection was aborted with %d bytes queued, want it open", <-c.slow)
		}
		c.Send(text("one too many"))
		synctest.Wait()
		if got := c.closedWith(); got != wire.CloseTooSlow() {
			t.Errorf("the connection is closed with %v, want %v", got, wire.CloseTooSlow())
		}
	})
}

// More frames than a queue may hold can be sent at once to a client that reads: they are written in between.
func TestBurst(t *testing.T) {
	c := joinSocket(t, start(t, func(l *config.Limits) { l.SendQueueMessages = 10 }))
	const frames = 2000
	for i := range frames {
		c.Send(text(fmt.Sprint(i)))
	}
	for i := range frames {
		c.want(TextFrame, fmt.Sprint(i))
	}
}

// The connection of a client that stops reading is aborted after the write timeout, counted from the last progress.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := joinPipe(t, start(t, nil))
		timeout := config.Default().Limits.WriteTimeout.Std()
		for i := range 4 {
			c.Send(text(fmt.Sprint(i)))
		}
		for i := range 3 {
			time.Sleep(timeout - time.Second)
			c.want(TextFrame, fmt.Sprint(i))
		}
		began := time.Now()
		testkit.Receive(t, c.slow, "TooSlow")
		if took := time.Since(began); took != timeout {
			t.Errorf("aborted after %v without progress, want %v", took, timeout)
		}
		synctest.Wait()
		if got := c.closedWith(); got != wire.CloseTooSlow() {
			t.Errorf("the connection is closed with %v, want %v", got, wire.CloseTooSlow())
		}
	})
}

// A connection that is being closed because its client is too slow ends soon if the client reads nothing: after a write timeout, or
// once there has been no progress for that long.
func TestTooSlowEnds(t *testing.T) {
	for _, row := range []struct {
		name   string
		frames int
		ends   time.Duration // after the call of TooSlow
	}{
		{"write timeout", 1, CloseTimeout},
		{"full queue", 12, config.Default().Limits.WriteTimeout.Std()}, // since the first frame
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := start(t, func(l *config.Limits) { l.SendQueueMessages, l.Shards = 10, 1 })
				c := joinPipe(t, o)
				for range row.frames {
					c.Send(text("never read"))
				}
				testkit.Receive(t, c.slow, "TooSlow")
				left := func() (n int) {
					on(t, o.shards[0], func() { n = len(o.shards[0].senders) })
					return n
				}
				time.Sleep(row.ends - tick)
				if left() != 1 {
					t.Errorf("the connection ended less than %v after TooSlow", row.ends)
				}
				time.Sleep(CloseTimeout + 2*tick)
				if left() != 0 || o.queued.Load() != 0 {
					t.Errorf("%v after TooSlow: %d connections, %d bytes queued, want none", row.ends+CloseTimeout, left(), o.queued.Load())
				}
			})
		})
	}
}

// If what remains of the queues of connections that are being closed is still too much, they are aborted.
func TestSendMemoryOfHalfWrittenFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, func(l *config.Limits) { l.SendMemory, l.Shards = 10_000, 1 })
		for range 5 {
			joinPipe(t, o).Send(text(strings.Repeat("x", 6000)))
			synctest.Wait()
		}
		if got := o.queued.Load(); got > 10_000 {
			t.Errorf("%d bytes queued, want 10000 at most", got)
		}
	})
}

// If all queues together are too long, the connection with the longest is closed, in whichever shard it is.
func TestSendMemory(t *testing.T) {
	for _, shards := range []int{1, 4} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := start(t, func(l *config.Limits) { l.SendMemory, l.Shards = 10_000, shards })
				var clients []*client
				for range 8 {
					clients = append(clients, joinPipe(t, o))
				}
				for i, c := range clients {
					size := 1000
					if i == 2 || i == 5 {
						size = 1500 + i
					}
					c.Send(text(strings.Repeat("x", size)))
				}
				synctest.Wait()
				clients[0].Send(text(strings.Repeat("x", 700)))
				synctest.Wait()
				clients[7].Send(text(strings.Repeat("x", 600)))
				synctest.Wait()
				var aborted []uint64
				for _, c := range clients {
					if c.closedWith() == wire.CloseTooSlow() {
						aborted = append(aborted, c.ID())
					}
				}
				if want := []uint64{clients[0].ID()}; !slices.Equal(aborted, want) {
					t.Errorf("aborted: senders %d, want %d, whose queue was the longest", aborted, want)
				}
			})
		})
	}
}

// Queues that never become empty keep no memory for written frames, and know which frame is the latest.
func TestCompact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := joinPipe(t, start(t, nil))
		c.Send(text("behind 0"))
		for i := range 5000 {
			before := i % 3 // so that the queue is full at different frames
			for range before {
				c.Send(text(fmt.Sprint("before ", i)))
			}
			c.SendLatest(text("stale"))
			c.Send(text(fmt.Sprint("behind ", i+1)))
			c.SendLatest(text(fmt.Sprint("latest ", i)))
			synctest.Wait()
			c.want(TextFrame, fmt.Sprint("behind ", i))
			for range before {
				c.want(TextFrame, fmt.Sprint("before ", i))
			}
			c.want(TextFrame, fmt.Sprint("latest ", i))
		}
		synctest.Wait()
		var length int
		on(t, c.shard, func() { length = cap(c.queue) })
		if length > maxKeptFrames {
			t.Errorf("after 5000 rounds of a few frames: a queue of %d entries, want at most %d", length, maxKeptFrames)
		}
	})
}

// Frames of SendAll do not count against the limits of the queue, and keep their place among the others.
func TestSendAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, func(l *config.Limits) { l.SendQueueMessages = 2 })
		c := joinPipe(t, o)
		c.Send(text("first"))
		var many []*Frame
		for range 100 {
			many = append(many, text("kept"))
		}
		c.SendAll(many)
		c.Send(text("last"))
		synctest.Wait()
		c.want(TextFrame, "first")
		for range many {
			c.want(TextFrame, "kept")
		}
		c.want(TextFrame, "last")
	})
}
