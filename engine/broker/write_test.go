package broker

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/config"
	"perigee/engine/wire"
)

func text(s string) *Frame { return NewFrame([]byte(s)) }

// Frames have the shortest header that their length allows, and no mask.
func TestFrame(t *testing.T) {
	for _, tt := range []struct {
		size int
		want []byte
	}{
		{0, []byte{0x81, 0}},
		{125, []byte{0x81, 125}},
		{126, []byte{0x81, 126, 0, 126}},
		{65_535, []byte{0x81, 126, 0xff, 0xff}},
		{65_536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		payload := strings.Repeat("x", tt.size)
		if got := string(text(payload).bytes); got != string(tt.want)+payload {
			t.Errorf("NewFrame of %d bytes: got header %#v, want %#v", tt.size, got[:len(got)-tt.size], tt.want)
		}
	}
}

// What one goroutine asks for happens in that order, whichever way it is asked.
func TestOrder(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			o := newObserver()
			s := serve(t, func(o *Options) { o.Limits.Shards = shards; o.Limits.SendQueueMessages = 0 }, o)
			var clients []*client
			var conns []*Conn
			for range 5 {
				clients = append(clients, s.dial(t))
				conns = append(conns, next(t, o.opens, "Open"))
			}
			const topic = 7
			s.Publish(topic, text("nobody has subscribed yet"))
			for _, c := range conns {
				c.Subscribe(topic)
				c.Subscribe(topic)
				c.Subscribe(welcomed)
			}
			const rounds = 500
			for i := range rounds {
				s.Publish(welcomed, text(fmt.Sprint("welcomed ", i)))
				s.Publish(topic, text(fmt.Sprint("publish ", i)))
				for _, c := range conns {
					c.Send(text(fmt.Sprint("send ", i)))
				}
			}
			for _, c := range conns {
				c.Unsubscribe(topic)
			}
			s.Publish(topic, text("nobody hears this"))
			for _, c := range conns {
				c.SendLatest(text("latest"))
				c.Close(wire.CloseNormal("done"))
				c.Send(text("after the close"))
			}
			for _, c := range clients {
				for i := range rounds {
					for _, how := range []string{"welcomed", "publish", "send"} {
						c.want(textFrame, fmt.Sprint(how, " ", i))
					}
				}
				c.want(textFrame, "latest")
				c.wantClose(wire.CloseNormal("done"))
			}
		})
	}
}

// Frames that wait for the same connection arrive whole, be they joined, long, or longer than the socket takes at once.
func TestLengths(t *testing.T) {
	o := newObserver()
	s := serve(t, func(o *Options) { o.Limits.SendQueueBytes = 0 }, o)
	c := s.dial(t)
	conn := next(t, o.opens, "Open")
	sizes := []int{0, 1, 125, 126, minAlone - 5, minAlone, 200, 200, maxJoined, 3, 65_535, 65_536, 5_000_000, 10, 10}
	for i, size := range sizes {
		conn.Send(text(strings.Repeat(string(rune('a'+i)), size)))
	}
	for i, size := range sizes {
		c.want(textFrame, strings.Repeat(string(rune('a'+i)), size))
	}
}

// SendLatest replaces the frame before it, in its place, unless a byte of that has left.
func TestSendLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, func(o *Options) { o.Limits.SendQueueMessages, o.Limits.SendQueueBytes = 2, 10 }, o)
		c := s.dial(t)
		conn := next(t, o.opens, "Open")
		conn.SendLatest(text("roster 1"))
		synctest.Wait() // it is being written
		conn.SendLatest(text("roster 2, which is longer than the queue may be"))
		conn.Send(text("a"))
		conn.SendLatest(text("roster 3, which is longer than the queue may be"))
		synctest.Wait()
		conn.SendLatest(text("roster 4, which is longer than the queue may be"))
		conn.Send(text("b"))
		c.want(textFrame, "roster 1")
		c.want(textFrame, "roster 4, which is longer than the queue may be")
		c.want(textFrame, "a")
		c.want(textFrame, "b")
		conn.SendLatest(text("roster 5"))
		c.want(textFrame, "roster 5")
		synctest.Wait()
		if got := s.queued.Load(); got != 0 {
			t.Errorf("after everything was read: %d bytes queued, want 0", got)
		}
	})
}

// A client that does not read is cut with 4408 when its queue is full: by bytes or by messages, whichever comes first,
// where what is being written does not count.
func TestQueueLimits(t *testing.T) {
	for _, tt := range []struct {
		name            string
		messages, bytes int
		sizes           []int // of frames, header included
		cut             bool  // by the last
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
				o := newObserver()
				s := servePipes(t, func(o *Options) {
					o.Limits.SendQueueMessages, o.Limits.SendQueueBytes = tt.messages, config.Size(tt.bytes)
				}, o)
				c := s.dial(t)
				conn := next(t, o.opens, "Open")
				for i, size := range tt.sizes {
					if len(o.ends) != 0 {
						t.Fatalf("cut before frame %d: %v", i, <-o.ends)
					}
					f := text(strings.Repeat("x", size))
					f.bytes = f.bytes[len(f.bytes)-size:] // for a round number
					conn.Send(f)
					synctest.Wait()
				}
				if !tt.cut {
					if len(o.ends) != 0 {
						t.Errorf("the connection was cut: %v", <-o.ends)
					}
					return
				}
				if got := next(t, o.ends, "Closed"); got != wire.CloseTooSlow() {
					t.Errorf("Closed(%v), want %v", got, wire.CloseTooSlow())
				}
				c.wantEnd()
				if got := s.queued.Load(); got != 0 {
					t.Errorf("after the cut: %d bytes queued, want 0", got)
				}
			})
		})
	}
}

// More frames than a queue may hold can be sent at once to a client that reads: they are written in between.
func TestBurst(t *testing.T) {
	o := newObserver()
	s := serve(t, func(o *Options) { o.Limits.SendQueueMessages = 10 }, o)
	c := s.dial(t)
	conn := next(t, o.opens, "Open")
	const frames = 2000
	for i := range frames {
		conn.Send(text(fmt.Sprint(i)))
	}
	for i := range frames {
		c.want(textFrame, fmt.Sprint(i))
	}
}

// A client that stops reading is cut after the write timeout, counted from the last progress.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		c := s.dial(t)
		conn := next(t, o.opens, "Open")
		timeout := s.settings().Limits.WriteTimeout.Std()
		for i := range 4 {
			conn.Send(text(fmt.Sprint(i)))
		}
		for i := range 3 {
			time.Sleep(timeout - time.Second)
			c.want(textFrame, fmt.Sprint(i))
		}
		began := time.Now()
		if got := next(t, o.ends, "Closed"); got != wire.CloseTooSlow() {
			t.Errorf("Closed(%v), want %v", got, wire.CloseTooSlow())
		}
		if took := time.Since(began); took != timeout {
			t.Errorf("cut after %v without progress, want %v", took, timeout)
		}
	})
}

// welcomed is the topic of whom greet welcomes.
const welcomed TopicID = 99

// greet welcomes the connection that is opened next.
func greet(t *testing.T, o *observer) *Conn {
	t.Helper()
	c := next(t, o.opens, "Open")
	c.Subscribe(welcomed)
	return c
}

// A client that does not read is cut and delays nobody.
func TestSlowReader(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	s.dial(t)
	slow := greet(t, o).ID()
	quick := s.dial(t)
	greet(t, o)
	ends := make(chan uint64, 2)
	o.closed = func(c *Conn, why wire.Close) {
		if why == wire.CloseTooSlow() {
			ends <- c.ID()
		}
	}
	big := strings.Repeat("x", 64<<10)
	for i := 0; ; i++ {
		s.Publish(welcomed, text(big))
		quick.want(textFrame, big)
		select {
		case id := <-ends:
			if id != slow {
				t.Fatalf("connection %d was cut, want %d", id, slow)
			}
			s.Publish(welcomed, text("end"))
			quick.want(textFrame, "end")
			if !strings.Contains(s.log.String(), "client too slow") {
				t.Error("the log says nothing of a client that is too slow")
			}
			return
		default:
			if i > 2000 {
				t.Fatal("128 MB were sent to a client that does not read, and it was not cut")
			}
		}
	}
}

// When all queues together are too long, the longest goes, in whichever shard it is.
func TestSendMemory(t *testing.T) {
	for _, shards := range []int{1, 4} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newObserver()
				var mu sync.Mutex
				var cut []uint64
				o.closed = func(c *Conn, why wire.Close) {
					mu.Lock()
					defer mu.Unlock()
					cut = append(cut, c.ID())
				}
				s := servePipes(t, func(o *Options) {
					o.Limits.SendMemory, o.Limits.Shards = 10_000, shards
				}, o)
				var conns []*Conn
				for range 8 {
					s.dial(t)
					conns = append(conns, next(t, o.opens, "Open"))
				}
				for i, c := range conns {
					size := 1000
					if i == 2 || i == 5 {
						size = 1500 + i
					}
					c.Send(text(strings.Repeat("x", size)))
				}
				synctest.Wait()
				conns[0].Send(text(strings.Repeat("x", 700)))
				synctest.Wait()
				conns[7].Send(text(strings.Repeat("x", 600)))
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				if want := conns[0].ID(); len(cut) != 1 || cut[0] != want {
					t.Errorf("cut: connections %d, want only %d, whose queue was the longest", cut, want)
				}
			})
		})
	}
}

// Queues that never become empty keep no memory of what has been written.
func TestShift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		c := s.dial(t)
		conn := next(t, o.opens, "Open")
		conn.Send(text("0"))
		for i := range 10_000 {
			conn.Send(text(fmt.Sprint(i + 1)))
			c.want(textFrame, fmt.Sprint(i))
		}
		synctest.Wait()
		length := make(chan int, 1)
		conn.shard.post(order{do: call, call: func(*shard) { length <- cap(conn.queue) }})
		if got := next(t, length, "length"); got > keptFrames {
			t.Errorf("after 10000 frames, two at a time: a queue of %d entries, want at most %d", got, keptFrames)
		}
	})
}
