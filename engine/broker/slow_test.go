package broker

import (
	"strings"
	"testing"

	"perigee/engine/broker/outbox"
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

// The connection of a client that does not read is aborted, and delays no other.
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
	for i := 0; ; i++ {
		s.Publish(subscribed, text(big))
		quick.want(textFrame, big)
		select {
		case id := <-ends:
			if id != slow {
				t.Fatalf("connection %d was aborted, want %d", id, slow)
			}
			s.Publish(subscribed, text("end"))
			quick.want(textFrame, "end")
			if !strings.Contains(s.log.String(), "client too slow") {
				t.Error("the log says nothing of a client that is too slow")
			}
			return
		default:
			if i > 2000 {
				t.Fatal("128 MB were sent to a client that does not read, and its connection was not aborted")
			}
		}
	}
}
