package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"perigee/engine/queue"
	"perigee/engine/wire"
)

// run serves what comes to the listener until ctx ends, then stops in order.
func (s *Server) run(ctx context.Context, listener net.Listener) (err error) {
	// The parts outlive ctx: what it ends is the serving, and the parts are then stopped one after the other.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	booted := false
	defer s.bound(ctx)()
	defer s.close()
	endWatching := s.programs.Watch(ctx)
	defer s.holds.while("the watchers of the scripts", endWatching)
	defer func() {
		if booted { // else the scripts have made nothing that is worth keeping
			err = errors.Join(err, s.finish())
		}
	}()
	defer parts.Wait()
	defer end()
	parts.Go(func() { s.holds.while("the loop", func() { s.loop.Run(live) }) })
	endBroker := s.runBroker(live, &parts)
	defer endBroker()
	installed, err := s.boot(ctx)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = nil // told to stop before it had begun
		}
		return errors.Join(err, listener.Close())
	}
	booted = true
	parts.Go(func() { s.holds.while("the keeper of the state", func() { s.keeper.Run(live, s.loop) }) })
	s.endJobs = s.runJobs(live, &parts)
	defer s.endJobs()
	parts.Go(func() {
		var err error
		s.holds.while("the pages", func() { err = s.http.Serve(listener) })
		if !errors.Is(err, http.ErrServerClosed) {
			s.stop(fmt.Errorf("engine: serving: %w", err))
		}
	})
	reloading := s.runReloads(ctx)
	s.ready.Store(true)
	if s.options.Started != nil {
		s.options.Started(s.status(installed.After, listener.Addr()), s)
	}
	<-ctx.Done()
	s.ready.Store(false)
	if s.options.Stopping != nil {
		s.holds.while("the word that it stops", s.options.Stopping)
	}
	s.holds.while("a reload", reloading.Wait)
	return s.shutdown(live, context.Cause(ctx))
}

// runJobs takes jobs, as the scripts want, until end is called; end waits for those in hand, which finish or are given back
// within stop.drain.
func (s *Server) runJobs(ctx context.Context, parts *sync.WaitGroup) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{}) // closed when no job is in hand any more
	parts.Go(func() {
		defer close(ended)
		s.holds.while("the jobs", func() { s.jobs.Run(ctx, s) })
	})
	return func() {
		cancel()
		<-ended
	}
}

// Job implements queue.Handler. Where the state is to be on the disk before a job is gone, a job that has been done is
// settled after the next save.
func (s *Server) Job(ctx context.Context, j queue.Job, done func(err error)) {
	s.manager.Job(ctx, j, func(err error) {
		if err != nil || !s.keeper.SyncsJobs() {
			done(err)
			return
		}
		j.Returned()
		s.keeper.JobApplied(j.Fingerprint, done)
	})
}

// close gives back what the scripts hold, after everything has ended. The loop has called off the requests that handlers
// were waiting for.
func (s *Server) close() {
	if s.abort != nil {
		s.abort.Stop()
	}
	s.holds.while("requests to other servers", s.fetch.Close)
	s.holds.while("the processes", func() { s.process.Close(context.Background()) }) // where shutdown has not come
	s.holds.while("the scripts", s.programs.Close)
	s.holds.while("the queue", s.jobs.Close)
}

// runBroker starts the broker; its end ends the server.
func (s *Server) runBroker(ctx context.Context, parts *sync.WaitGroup) (end context.CancelFunc) {
	ctx, end = context.WithCancel(ctx)
	parts.Go(func() {
		var err error
		s.holds.while("the connections", func() { err = s.broker.Run(ctx) })
		if err != nil {
			s.stop(fmt.Errorf("engine: broker: %w", err))
		}
	})
	return end
}

// shutdown stops the parts in order. New clients are refused and no new jobs taken; those in hand end, or are given back.
// Then come the scripts' stop hook, the state to its file, what is queued for the clients, the close frame to all of them,
// and from the stop hook on the processes. None of them gets all the time there is: turns that wait hold up the stop hook and
// the save. The rest ends when run returns, and finish then says how it went.
func (s *Server) shutdown(ctx context.Context, cause error) error {
	why := wire.CloseShutdown()
	var asked *stopping
	switch {
	case errors.As(cause, &asked):
		why, cause = asked.why, nil
	case errors.Is(cause, context.Canceled):
		cause = nil
	}
	s.log.Info("engine: stopping", "reason", why.Reason)
	s.end.by = time.Now().Add(s.config.Stop.Timeout.Std())
	ctx, cancel := context.WithDeadline(ctx, s.end.by)
	defer cancel()
	s.end.connections = s.broker.Count()
	// Pages that are being read may end; WebSockets are the broker's.
	var pages sync.WaitGroup
	defer pages.Wait()
	pages.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, pagesDrain)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			_ = s.http.Close() // what would not end in time is cut
		}
	})
	s.abort = time.AfterFunc(s.config.Stop.Timeout.Std(), s.programs.Abort) // also for the last turns of the loop
	s.endJobs()
	s.stopHook(ctx)
	var processes sync.WaitGroup
	processes.Go(func() { s.process.Close(ctx) })
	saving := s.saveEarly(ctx)
	defer saving.Wait()
	s.end.forced = s.broker.Shutdown(ctx, s.config.Stop.Drain.Std(), why)
	processes.Wait()
	if turns := s.loop.Queued(); turns > s.end.connections { // each connection leaves one, its end
		s.log.Info("engine: the clients are gone, turns are left", "turns", turns)
	}
	return cause
}

// saveEarly saves the state before the clients are closed, where that does not take long. A disk that does is waited for
// later, by whoever waits for saving.
func (s *Server) saveEarly(ctx context.Context) (saving *sync.WaitGroup) {
	ctx, cancel := context.WithTimeout(ctx, earlySave)
	saving = &sync.WaitGroup{}
	saving.Go(func() {
		defer cancel()
		var err error
		s.holds.while("a save of the state", func() { err = s.keeper.Save(ctx, s.loop) })
		switch {
		case err == nil:
		case ctx.Err() != nil:
			s.log.Warn("engine: the state is saved when all turns have been taken", "error", err)
		default:
			s.log.Error("engine: saving the state", "error", err) // and tried again in the very end
		}
	})
	<-ctx.Done()
	return saving
}

// finish comes after shutdown, when the loop has taken what was left: messages that had been accepted, and the ends of the
// connections. They have as long as stop.timeout allows, for nobody would repeat them. It saves what they changed.
func (s *Server) finish() (err error) {
	late := !time.Now().Before(s.end.by)
	s.holds.while("the last save of the state", func() { err = s.keeper.SaveFinal() })
	s.log.Info("engine: stopped", "connections", s.end.connections, "forced", s.end.forced)
	if late {
		err = errors.Join(err, fmt.Errorf("engine: stopping took longer than stop.timeout, %s", s.config.Stop.Timeout))
	}
	return err
}

// stopHook tells the scripts that the end is near.
func (s *Server) stopHook(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopHookTimeout)
	defer cancel()
	if err := s.manager.RunStopHook(ctx); err != nil {
		s.log.Error("engine: the scripts' stop hook", "error", err)
	}
}
