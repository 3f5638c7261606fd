package hub

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// peer is a client behind an outbox.
type peer struct {
	sink
	sender outbox.Sender
}

func (p *peer) Send(f *outbox.Frame)         { p.sender.Send(f) }
func (p *peer) Subscribe(t outbox.TopicID)   { p.sender.Subscribe(t) }
func (p *peer) Unsubscribe(t outbox.TopicID) { p.sender.Unsubscribe(t) }

// transport is that of a peer: it never ends.
type transport struct{ outbox.Transport }

func (transport) Tick(time.Duration, bool) (bool, *wire.Close) { return false, nil }

// discard is a connection that takes everything at once.
type discard struct{ net.Conn }

func (discard) Write(p []byte) (int, error)      { return len(p), nil }
func (discard) Close() error                     { return nil }
func (discard) SetWriteDeadline(time.Time) error { return nil }

// startPeers returns a hub with a number of connections behind an outbox.
func startPeers(b *testing.B, number int) *Hub {
	b.Helper()
	began := time.Now()
	out := outbox.New(config.Default().Limits, config.Resume{}, func() time.Duration { return time.Since(began) })
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { out.Run(ctx, time.Hour) })
	b.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	h := newHub(b, 0)
	h.SetPublisher(out)
	for range number {
		p := &peer{}
		out.Join(&p.sender, discard{}, transport{}, outbox.Features{})
		h.Add(p, wire.NewID())
	}
	return h
}

// heapBytes returns the bytes that are in use after what was posted to the outbox has been written.
func heapBytes() float64 {
	var m runtime.MemStats
	time.Sleep(100 * time.Millisecond)
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// 100,000 topics that are not listed, and 10 subscriptions for each of 10,000 connections: what each costs, and what a message
// to each topic costs.
func BenchmarkTopics(b *testing.B) {
	const connections, subscriptions, topics = 10_000, 10, 100_000
	for b.Loop() {
		h := startPeers(b, connections)
		all := make([]*Topic, topics)
		measure := func(what string, n int, act func()) {
			before, began := heapBytes(), time.Now()
			act()
			took := time.Since(began)
			b.ReportMetric(float64(took.Nanoseconds())/float64(n), "ns/"+what)
			b.ReportMetric((heapBytes()-before)/float64(n), "B/"+what)
		}
		measure("topic", topics, func() {
			for i := range all {
				all[i] = h.NewTopic(fmt.Sprint("room ", i), bind.TopicOptions{}, nil)
				h.AddTopic(all[i])
			}
		})
		measure("subscription", connections*subscriptions, func() {
			for i, c := range h.All() {
				for j := range subscriptions {
					must(b, all[(i+j*topics/subscriptions)%topics].Subscribe(c))
				}
				h.flushUpdates() // a turn for each connection
			}
		})
		measure("message", topics, func() {
			for _, t := range all {
				f, err := h.Encode("Said", nil)
				must(b, err)
				t.Publish(f)
			}
		})
		b.ReportMetric(0, "ns/op")
		runtime.KeepAlive(all)
	}
}
