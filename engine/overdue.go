package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// endGrace is how long after stop.timeout a server may take to end: a second to cut the connections, and another for the last
// save of the state.
const endGrace = 2 * time.Second

// lastSave is how long a server that does not end is given to save the state.
const lastSave = time.Second

// holds are the parts of a server that have begun and not ended, by name. Any goroutine may use it.
type holds struct {
	// Guarded by mu.
	mu    sync.Mutex
	names map[string]int
}

// while runs f, which counts as unfinished business under this name.
func (h *holds) while(name string, f func()) {
	h.count(name, 1)
	defer h.count(name, -1)
	f()
}

func (h *holds) count(name string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.names == nil {
		h.names = map[string]int{}
	}
	if h.names[name] += n; h.names[name] == 0 {
		delete(h.names, name)
	}
}

// left names what has not ended, in the order of the alphabet.
func (h *holds) left() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.names))
}

// bound gives the server a time to end once ctx has ended, whatever a part of it hangs on; end is called when it has.
func (s *Server) bound(ctx context.Context) (end func()) {
	ended := make(chan struct{}) // closed by end
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-ctx.Done():
		case <-ended:
			return
		}
		late := time.NewTimer(time.Duration(s.stopTimeout.Load()) + endGrace)
		defer late.Stop()
		select {
		case <-late.C:
			s.surrender(&watching)
		case <-ended:
		}
	})
	return func() {
		close(ended)
		watching.Wait()
	}
}

// surrender says what a server hangs on that does not end, saves what can be saved, and has the process ended.
func (s *Server) surrender(watching *sync.WaitGroup) {
	held := s.holds.left()
	s.log.Error("engine: the server does not end", "held_by", held)
	ctx, cancel := context.WithTimeout(context.Background(), lastSave)
	defer cancel()
	saved := make(chan error, 1)
	watching.Go(func() { // the disk may hang as well
		saved <- s.keeper.Save(ctx, s.loop)
	})
	select {
	case err := <-saved:
		if err != nil {
			s.log.Error("engine: saving the state", "error", err)
		}
	case <-ctx.Done():
	}
	if s.options.Overdue != nil {
		s.options.Overdue(held)
	}
}
