package engine

import (
	"context"
	"maps"
	"slices"
	"sync"

	"perigee/engine/script"
)

// programs are all generations of scripts that have a machine: the one that runs, one that loads, and those before whose
// handlers still wait. Any goroutine may use it.
type programs struct {
	watchers sync.WaitGroup
	start    func(p *script.Program) (end context.CancelFunc) // has a program watched; set by watch before there is any

	// Guarded by mu.
	mu   sync.Mutex
	ends map[*script.Program]context.CancelFunc // ends the watching
}

// watch has programs watched from now on, and returns what ends that. It outlives the loop: nothing else ends a turn that
// does not end by itself.
func (all *programs) watch(ctx context.Context) (end func()) {
	watched, cancel := context.WithCancel(context.WithoutCancel(ctx))
	all.ends = map[*script.Program]context.CancelFunc{}
	all.start = func(p *script.Program) context.CancelFunc {
		ctx, end := context.WithCancel(watched)
		all.watchers.Go(func() { p.Watch(ctx) })
		return end
	}
	return func() {
		cancel()
		all.watchers.Wait()
	}
}

// add takes in a program that is about to load.
func (all *programs) add(p *script.Program) {
	end := all.start(p)
	all.mu.Lock()
	defer all.mu.Unlock()
	all.ends[p] = end
}

// retire closes a program of which nothing is left. It is called on the loop.
func (all *programs) retire(p *script.Program) {
	all.mu.Lock()
	end := all.ends[p]
	delete(all.ends, p)
	all.mu.Unlock()
	if end != nil {
		end()
		p.Close()
	}
}

// abort gives all of them no more time.
func (all *programs) abort() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for p := range all.ends {
		p.Abort()
	}
}

// close closes those that are left, after the loop has ended.
func (all *programs) close() {
	all.mu.Lock()
	left := slices.Collect(maps.Keys(all.ends))
	clear(all.ends)
	all.mu.Unlock()
	for _, p := range left {
		p.Close()
	}
}
