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
func (*sink) SendAll([]*outbox.Frame)  {}
func (*sink) SendLatest(*outbox.Frame) {}

// One message to a handler that replies: from the reader through the loop, and the part of the loop alone, with and without
// metrics. Decoding belongs to the application and is left out.
func BenchmarkMessage(b *testing.B) {
	b.Run("metrics", func(b *testing.B) {
		o := defaults()
		o.Metrics = metrics.New(func() metrics.Snapshot { return metrics.Snapshot{} })
		benchmarkMessage(b, o)
	})
	b.Run("no metrics", func(b *testing.B) { benchmarkMessage(b, defaults()) })
}

func benchmarkMessage(b *testing.B, o Options) {
	b.Helper()
	tm := newTestManager(b, o)
	answer := wire.Members{{Name: "ok", Value: true}}
	tm.install(func(h script.Host) {
		err := h.Message(script.Message{Name: "Ping", Protection: auth.None, Source: "bench", Handle: func(c script.Client, _ script.Incoming) error {
			return tm.send(c, "Pong", answer)
		}})
		if err != nil {
			b.Fatal(err)
		}
	})
	tm.m.generation.Load().application = raw{}
	s := &sink{}
	tm.m.Open(s)
	text := []byte(`{"name":"Ping","id":"b1946ac9","value":[1,2,3]}`)
	b.Run("reader and loop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tm.m.Message(s, text)
		}
		tm.turn(func() {})
	})
	b.Run("loop", func(b *testing.B) {
		b.ReportAllocs()
		message, err := wire.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		a := incoming{conn: s, message: message, value: wire.Raw(text)}
		tm.turn(func() {
			for b.Loop() {
				tm.m.receive(a)
			}
		})
	})
}

// raw is an application that does nothing.
type raw struct{ noApplication }
