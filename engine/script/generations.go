package script

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Generations are all programs of a server that have a machine: the one that runs, one that loads, and those before whose
// handlers still wait. The zero value has none. Any goroutine may use it.
type Generations struct {
	watchers sync.WaitGroup
	start    func(p *Program) (end context.CancelFunc) // has a program watched; set by Watch before there is any

	// Guarded by mu.
	mu   sync.Mutex
	ends map[*Program]context.CancelFunc // ends the watching
}

// Watch has programs watched from now on, and returns what ends that. It outlives the loop: nothing else ends a turn that
// does not end by itself.
func (all *Generations) Watch(ctx context.Context) (end func()) {
	watched, cancel := context.WithCancel(context.WithoutCancel(ctx))
	all.ends = map[*Program]context.CancelFunc{}
	all.start = func(p *Program) context.CancelFunc {
		ctx, end := context.WithCancel(watched)
		all.watchers.Go(func() { p.Watch(ctx) })
		return end
	}
	return func() {
		cancel()
		all.watchers.Wait()
	}
}

// Add takes in a program that is about to load. It comes after Watch.
func (all *Generations) Add(p *Program) {
	end := all.start(p)
	all.mu.Lock()
	defer all.mu.Unlock()
	all.ends[p] = end
}

// Retire closes a program of which nothing is left. It is called on the loop.
func (all *Generations) Retire(p *Program) {
	all.mu.Lock()
	end := all.ends[p]
	delete(all.ends, p)
	all.mu.Unlock()
	if end != nil {
		end()
		p.Close()
	}
}

// Abort gives all of them no more time.
func (all *Generations) Abort() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for p := range all.ends {
		p.Abort()
	}
}

// Close closes those that are left, after the loop has ended.
func (all *Generations) Close() {
	all.mu.Lock()
	left := slices.Collect(maps.Keys(all.ends))
	clear(all.ends)
	all.mu.Unlock()
	for _, p := range left {
		p.Close()
	}
}
