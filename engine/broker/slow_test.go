package broker

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

func text(s string) *outbox.Frame { return outbox.NewFrame([]byte(s)) }

// subscribed is the topic to which openSubscribed subscribes connections.
const subscribed outbox.TopicID = 99

// openSubscribed waits for the next connection and subscribes it.
func openSubscribed(t *testing.T, o *observer) Conn {
	t.Helper()
	c := testkit.Receive(t, o.opens, "Open")
	c.Subscribe(subscribed)
	return c
}

// The connections of clients that do not read are closed, soon also without the client, and no others; nothing that those are sent
// is lost.
func TestSlowReader(t *testing.T) {
	o := newObserver()
	slow, quick := testkit.Scale(1, 10), make([]*client, testkit.Scale(1, 990))
	s := serve(t, func(o *Options) { o.MaxConnections, o.Limits.PingInterval = 0, config.Duration(time.Hour) }, o)
	ends := make(chan uint64, 1000)
	o.closed = func(c Conn, why wire.Close) {
		if why == wire.CloseTooSlow() {
			ends <- c.ID()
		}
	}
	var stuck []uint64
	for range slow {
		_ = s.dial(t).Conn.(*net.TCPConn).SetReadBuffer(4 << 10) // what the kernel takes for it only makes the test longer
		stuck = append(stuck, openSubscribed(t, o).ID())
	}
	for i := range quick {
		quick[i] = s.dial(t)
		openSubscribed(t, o)
	}
	big := strings.Repeat("x", 64<<10)
	round := func() time.Duration {
		began := time.Now()
		s.Publish(subscribed, text(big))
		for _, c := range quick {
			c.want(textFrame, big)
		}
		return time.Since(began)
	}
	var with, without []time.Duration
	roundWith := func() {
		if len(with) > 2000 {
			t.Fatal("128 MB were sent to a client that does not read, and it is not too slow")
		}
		with = append(with, round())
	}
	for !strings.Contains(s.log.String(), `msg="limit reached" setting=limits.`) {
		roundWith()
	}
	for aborted := range slow {
		for aborted > 0 && len(ends) == 0 { // the system holds more for some of them
			roundWith()
		}
		if id := testkit.Receive(t, ends, "Closed"); !slices.Contains(stuck, id) {
			t.Fatalf("connection %d was closed, want those of %d", id, stuck)
		}
	}
	for range with {
		without = append(without, round())
	}
	if len(ends) > 0 {
		t.Errorf("%d more connections were closed, want none", len(ends))
	}
	slices.Sort(with)
	slices.Sort(without)
	middle, last := len(with)/2, len(with)*99/100
	testkit.Measured(t, "%d clients, %d stop reading: those are closed, no other; a broadcast of 64 KiB has reached all others after %v (p99 %v), after that %v (p99 %v)",
		slow+len(quick), slow, with[middle].Round(100*time.Microsecond), with[last].Round(100*time.Microsecond),
		without[middle].Round(100*time.Microsecond), without[last].Round(100*time.Microsecond))
}

// A client that is too slow, but does read, gets what the system holds for it and then the close frame. limits.kernel_send_buffer
// bounds how much that is.
func TestSlowReaderIsTold(t *testing.T) {
	got := map[config.Size]int{} // bytes before the close frame
	for _, size := range []config.Size{0, 16 * config.KiB} {
		o := newObserver()
		s := serve(t, func(o *Options) {
			o.Limits.KernelSendBuffer, o.Limits.SendQueueBytes = size, 64*config.KiB
			o.Limits.WriteTimeout = config.Duration(testkit.Timeout)
		}, o)
		slow := s.dial(t)
		openSubscribed(t, o)
		message := strings.Repeat("x", 1000)
		for !strings.Contains(s.log.String(), `msg="limit reached" setting=limits.send_queue_bytes value=64KiB`) {
			s.Publish(subscribed, text(message))
			runtime.Gosched()
		}
		last, err := slow.read()
		for ; err == nil && last.first == textFrame; last, err = slow.read() {
			got[size] += len(last.payload)
		}
		if want := (frame{closeFrame, string(outbox.NewClose(wire.CloseTooSlow()).Payload())}); last != want {
			t.Errorf("with kernel_send_buffer %v the last frame is %#x %q, %v, want the close frame", size, last.first, last.payload, err)
		}
	}
	if limited, usual := got[16*config.KiB], got[0]; limited >= usual {
		t.Errorf("the client gets %d bytes with kernel_send_buffer 16KiB, and %d without, want less", limited, usual)
	}
}

// A client that sends as fast as it can is disconnected, or read no faster than allowed, and another client is answered at once.
func TestFloods(t *testing.T) {
	for _, flood := range []struct {
		what         string
		first, again []byte
		within       time.Duration // until it is disconnected; 0 if it is read at the allowed rate instead
	}{
		{"empty fragments", masked(0x01, nil), masked(0x00, nil), 12 * time.Second},
		{"pings", nil, masked(pingFrame, nil), time.Second},
		{"small messages", nil, masked(textFrame, []byte("x")), time.Second},
		{"close frames", nil, masked(closeFrame, []byte{3, 232}), 2 * time.Second},
		{"messages of 64 KiB", nil, masked(textFrame, bytes.Repeat([]byte("x"), 64<<10)), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			const during = 30 * time.Second
			o := newObserver()
			o.message = func(c Conn, _ []byte) { c.Send(text("heard")) }
			s := servePipes(t, nil, o)
			c, other := s.dial(t), s.dial(t)
			began := time.Now()
			sent, ended := 0, make(chan time.Duration, 1)
			go func() { _, _ = io.Copy(io.Discard, c.in) }()
			go func() {
				_, err := c.Write(flood.first)
				for err == nil && time.Since(began) < during {
					var n int
					n, err = c.Write(flood.again)
					sent += n
				}
				ended <- time.Since(began)
			}()
			for time.Since(began) < during {
				time.Sleep(time.Second)
				asked := time.Now()
				other.send(textFrame, "hello")
				for got, _ := other.read(); got.first == pingFrame; got, _ = other.read() {
					other.send(pongFrame, got.payload)
				}
				if took := time.Since(asked); took > 0 {
					t.Errorf("during a flood of %s another client waits %v, want no time", flood.what, took)
				}
			}
			took := <-ended
			limits := s.settings().Limits
			most := int(limits.BytesBurst) + int(limits.BytesPerSecond)*int(during/time.Second) + 2*int(limits.ReadLimit)
			if flood.within > 0 && took > flood.within || flood.within == 0 && took < during || sent > most {
				t.Errorf("a flood of %s: %d bytes, ended after %v, want it ended after %v (0: it goes on), and %d bytes at most",
					flood.what, sent, took, flood.within, most)
			}
			testkit.Measured(t, "%s: %d bytes in %v", flood.what, sent, took.Round(time.Millisecond))
			_ = c.Close()
		})
	}
}
