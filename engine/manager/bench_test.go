package manager

import (
	"testing"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/metrics"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// sink is a socket that takes everything.
type sink struct{ socket }

func (*sink) Send(*outbox.Frame)       {}
func (*sink) SendLatest(*outbox.Frame) {}

// One message to a handler that answers: from the reader through the loop, and the loop's part of it alone, counted and not.
// The decoding is the application's and left out.
func BenchmarkMessage(b *testing.B) {
	b.Run("counted", func(b *testing.B) {
		o := defaults()
		o.Metrics = metrics.New(func() metrics.Snapshot { return metrics.Snapshot{} })
		benchmarkMessage(b, o)
	})
	b.Run("uncounted", func(b *testing.B) { benchmarkMessage(b, defaults()) })
}

func benchmarkMessage(b *testing.B, o Options) {
	b.Helper()
	r := newRig(b, o)
	answer := wire.Members{{Name: "ok", Value: true}}
	r.install(func(h script.Host) {
		err := h.Message(script.Message{Name: "Ping", Protection: auth.None, Source: "bench", Handle: func(c script.Client, _ script.Incoming) error {
			return r.send(c, "Pong", answer)
		}})
		if err != nil {
			b.Fatal(err)
		}
	})
	r.m.generation.Load().application = raw{}
	s := &sink{}
	r.m.Open(s)
	text := []byte(`{"name":"Ping","id":"b1946ac9","value":[1,2,3]}`)
	b.Run("reader and loop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.m.Message(s, text)
		}
		r.turn(func() {})
	})
	b.Run("loop", func(b *testing.B) {
		b.ReportAllocs()
		message, err := wire.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		a := arrival{socket: s, message: message, value: wire.Raw(text)}
		r.turn(func() {
			for b.Loop() {
				r.m.receive(a)
			}
		})
	})
}

// raw is an application that does nothing and costs nothing.
type raw struct{ unwritten }
