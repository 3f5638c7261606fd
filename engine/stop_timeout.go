package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"perigee/engine/config"
	"perigee/engine/loop"
)

// stopGrace is how long after stop.timeout a server may take to stop: a second to cut the connections, and another for the final
// save of the state.
const stopGrace = 2 * time.Second

// forcedSave is how long saving the state may take before a forced exit.
const forcedSave = time.Second

// running counts the components of a server that have not ended, by name. It is safe for concurrent use.
type running struct {
	// Guarded by mu.
	mu    sync.Mutex
	names map[string]int
}

// track runs f, and counts it under this name until it returns.
func (r *running) track(name string, f func()) {
	r.add(name, 1)
	defer r.add(name, -1)
	f()
}

func (r *running) add(name string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = map[string]int{}
	}
	if r.names[name] += n; r.names[name] == 0 {
		delete(r.names, name)
	}
}

// list returns the names of the components that have not ended, sorted.
func (r *running) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.names))
}

// allowStop sets how long a stop may take.
func (s *Server) allowStop(c config.Stop) {
	s.stopAllowed.Store(int64(c.LameDuck.Std() + c.Timeout.Std() + stopGrace))
}

// stopInterval returns how often the time of a stop is measured. A standstill counts as a tenth of the limit at most.
func stopInterval(limit time.Duration) time.Duration { return max(limit/50, loop.TurnInterval) }

// enforceStopTimeout forces the exit if the server has not stopped some time after ctx has ended. stopped is called when it has.
func (s *Server) enforceStopTimeout(ctx context.Context) (stopped func()) {
	done := make(chan struct{}) // closed by stopped
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-ctx.Done():
		case <-done:
			return
		}
		limit := time.Duration(s.stopAllowed.Load())
		defer loop.AfterRunning(limit, stopInterval(limit), func() { s.forceExit(&watching) })()
		<-done
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// forceExit logs which components have not ended, tries to save the state, and has the process ended.
func (s *Server) forceExit(watching *sync.WaitGroup) {
	held := s.running.list()
	s.log.Error("engine: the server does not stop", "still_running", held)
	ctx, cancel := context.WithTimeout(context.Background(), forcedSave)
	defer cancel()
	saved := make(chan error, 1)
	watching.Go(func() { // the disk may hang as well
		saved <- s.saver.Save(ctx, s.loop)
	})
	select {
	case err := <-saved:
		if err != nil {
			s.log.Error("engine: the state could not be saved", "error", err)
		}
	case <-ctx.Done():
	}
	if s.options.OnStopTimeout != nil {
		s.options.OnStopTimeout(held)
	}
}
