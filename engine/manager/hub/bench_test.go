package hub

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
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
func (p *peer) SendLatest(f *outbox.Frame)   { p.sender.SendLatest(f) }
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

// null is a connection from which the system takes everything at once.
type null struct {
	discard
	file *os.File
}

func (n null) SyscallConn() (syscall.RawConn, error) { return n.file.SyscallConn() }

// fixture is a hub whose connections are behind an outbox.
type fixture struct {
	*Hub
	out   *outbox.Outbox
	marks []*marker // at least one in each shard
}

// marker is a connection that says when something is written to it.
type marker struct {
	discard
	peer    peer
	written chan struct{}
}

func (m *marker) Write(p []byte) (int, error) {
	m.written <- struct{}{}
	return len(p), nil
}

// newFixture returns a fixture with a number of connections.
func newFixture(b *testing.B, o config.Roster, number int) *fixture {
	b.Helper()
	began := time.Now()
	limits := config.Default().Limits
	limits.SendMemory = 0 // everybody gets the first roster at once
	r := &fixture{Hub: newHub(b, 0), out: outbox.New(limits, config.Resume{}, func() time.Duration { return time.Since(began) })}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.out.Run(ctx, time.Hour) })
	b.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	r.SetPublisher(r.out)
	r.roster.Configure(o)
	for range runtime.GOMAXPROCS(0) {
		m := &marker{written: make(chan struct{}, 1)}
		r.out.Join(&m.peer.sender, m, transport{}, outbox.Features{})
		r.marks = append(r.marks, m)
	}
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	must(b, err)
	b.Cleanup(func() { _ = file.Close() })
	for range number {
		r.join(null{file: file})
	}
	return r
}

// join adds a connection.
func (r *fixture) join(conn net.Conn) *Connection {
	p := &peer{}
	r.out.Join(&p.sender, conn, transport{}, outbox.Features{})
	return r.Add(p, wire.NewID())
}

// waitUntilWritten returns when everything that was sent before has been written.
func (r *fixture) waitUntilWritten() {
	for range 2 { // a shard may write to a marker before it writes the rest of the same batch
		for _, m := range r.marks {
			m.peer.Send(outbox.NewFrame([]byte("{}")))
		}
		for _, m := range r.marks {
			<-m.written
		}
	}
}

// heapBytes returns the bytes that are in use once everything has been written.
func (r *fixture) heapBytes() float64 {
	var m runtime.MemStats
	r.waitUntilWritten()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// 100,000 topics that are not listed, and 10 subscriptions for each of 10,000 connections: what each costs, and what a message
// to each topic costs.
func BenchmarkTopics(b *testing.B) {
	const connections, subscriptions, topics = 10_000, 10, 100_000
	for b.Loop() {
		h := newFixture(b, config.Roster{Mode: config.RosterOff, Interval: config.Default().Roster.Interval}, connections)
		all := make([]*Topic, topics)
		measure := func(what string, n int, act func()) {
			before, began := h.heapBytes(), time.Now()
			act()
			took := time.Since(began)
			b.ReportMetric(float64(took.Nanoseconds())/float64(n), "ns/"+what)
			b.ReportMetric((h.heapBytes()-before)/float64(n), "B/"+what)
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
