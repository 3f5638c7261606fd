package script

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Generations are the programs of a server that have not been closed: the one that runs, one that loads, and earlier ones whose
// handlers still wait. The zero value has none. It is safe for concurrent use.
type Generations struct {
	watchers sync.WaitGroup
	start    func(p *Program) (end context.CancelFunc) // starts to watch a program; set by Watch

	// Guarded by mu.
	mu   sync.Mutex
	ends map[*Program]context.CancelFunc // end the watching
}

// Watch watches programs that are added, until end is called. It must outlive the loop: nothing else ends a turn that does not
// end by itself.
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

// Add adds a program before it loads. It is called after Watch.
func (all *Generations) Add(p *Program) {
	end := all.start(p)
	all.mu.Lock()
	defer all.mu.Unlock()
	all.ends[p] = end
}

// Retire closes and removes a program once nothing of it is left. It is called on the loop.
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

// Abort aborts all programs.
func (all *Generations) Abort() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for p := range all.ends {
		p.Abort()
	}
}

// Close closes the remaining programs, after the loop has ended.
func (all *Generations) Close() {
	all.mu.Lock()
	left := slices.Collect(maps.Keys(all.ends))
	clear(all.ends)
	all.mu.Unlock()
	for _, p := range left {
		p.Close()
	}
}
