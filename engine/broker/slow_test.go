package broker

import (
	"runtime"
	"strings"
	"testing"

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

// The connection of a client that does not read is closed, soon also without the client, and delays no other.
func TestSlowReader(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	s.dial(t)
	slow := openSubscribed(t, o).ID()
	quick := s.dial(t)
	openSubscribed(t, o)
	ends := make(chan uint64, 2)
	o.closed = func(c Conn, why wire.Close) {
		if why == wire.CloseTooSlow() {
			ends <- c.ID()
		}
	}
	big := strings.Repeat("x", 64<<10)
	for i := 0; !strings.Contains(s.log.String(), `msg="limit reached" setting=limits.`); i++ {
		if i > 2000 {
			t.Fatal("128 MB were sent to a client that does not read, and it is not too slow")
		}
		s.Publish(subscribed, text(big))
		quick.want(textFrame, big)
	}
	if id := testkit.Receive(t, ends, "Closed"); id != slow {
		t.Errorf("connection %d was closed, want %d", id, slow)
	}
	s.Publish(subscribed, text("end"))
	quick.want(textFrame, "end")
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
