package hub

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"perigee/engine/config"
)

// newcomer is the connection of a client that notes when it gets its first roster.
type newcomer struct {
	discard
	joined time.Time
	took   chan<- time.Duration
}

func (n *newcomer) Write(p []byte) (int, error) {
	if !n.joined.IsZero() && bytes.Contains(p[:min(len(p), 100)], []byte(`"connections":{`)) && len(p) > 1<<20 {
		n.took <- time.Since(n.joined)
		n.joined = time.Time{}
	}
	return len(p), nil
}

// observer is the connection of a client that notes when it hears of others.
type observer struct {
	discard
	mu    sync.Mutex
	heard map[string]time.Time // by UUID
}

func (o *observer) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for _, part := range bytes.Split(p, []byte(`"uuid":"`))[1:] {
		uuid := string(part[:min(len(part), 36)])
		if _, ok := o.heard[uuid]; !ok {
			o.heard[uuid] = now
		}
	}
	return len(p), nil
}

// 10,000 connections, of which 50 leave and 50 others join in each second, in the mode "changes": how long newcomers wait for
// the roster, and how long the others do until they hear of a newcomer.
func BenchmarkRosterChanges(b *testing.B) {
	const connections, perSecond, seconds = 10_000, 50, 10
	o := config.Default().Roster
	o.Mode = config.RosterChanges
	for b.Loop() {
		fast := o
		fast.BytesPerSecond = 1 << 40 // until everybody has a roster
		r := newFixture(b, fast, connections)
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.loop.Run(ctx) })
		watching := &observer{heard: map[string]time.Time{}}
		turn := func(act func()) {
			done := make(chan struct{})
			must(b, r.loop.Post("bench", func() {
				defer close(done)
				act()
				r.Flush()
			}))
			<-done
		}
		turn(func() { r.join(watching) })
		r.waitUntilWritten()
		turn(func() { r.roster.Configure(o) })
		took, joined := make(chan time.Duration, perSecond*seconds), map[string]time.Time{}
		tick := time.NewTicker(time.Second / perSecond)
		for range perSecond * seconds {
			<-tick.C
			turn(func() {
				r.connections[rand.IntN(connections/2)].Remove() // one that has its roster
				now := time.Now()
				c := r.join(&newcomer{joined: now, took: took})
				joined[c.UUID()] = now
			})
		}
		tick.Stop()
		var rosters, changes []time.Duration
		for range perSecond * seconds {
			rosters = append(rosters, <-took)
		}
		watching.mu.Lock()
		for uuid, at := range joined {
			if heard, ok := watching.heard[uuid]; ok {
				changes = append(changes, heard.Sub(at))
			}
		}
		watching.mu.Unlock()
		for what, times := range map[string][]time.Duration{"roster": rosters, "change": changes} {
			slices.Sort(times)
			for _, percent := range []int{50, 99} {
				b.ReportMetric(float64(times[len(times)*percent/100].Milliseconds()), fmt.Sprintf("ms/%s-p%d", what, percent))
			}
		}
		b.ReportMetric(0, "ns/op")
		cancel()
		wg.Wait()
	}
}
