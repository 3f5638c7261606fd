package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/wire"
)

// run serves the clients of listener until ctx ends, then stops in order.
func (s *Server) run(ctx context.Context, listener net.Listener) (err error) {
	// The components outlive ctx: its end stops the serving, and they are then stopped one after the other.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	booted := false
	defer s.enforceStopTimeout(ctx)()
	defer s.close()
	stopWatchdog := s.programs.Watch(ctx)
	defer s.running.track("script watchdog", stopWatchdog)
	defer func() {
		if booted { // otherwise there is no state to save
			err = errors.Join(err, s.finish())
		}
	}()
	defer parts.Wait()
	defer end()
	// The broker outlives the loop, whose last turns send to connections that are kept for the next server.
	connected, stopBroker := context.WithCancel(context.WithoutCancel(ctx))
	parts.Go(func() {
		defer stopBroker()
		s.running.track("loop", func() { s.loop.Run(live) })
	})
	parts.Go(func() { s.running.track("connections", func() { s.broker.Run(connected) }) })
	s.restoreTopics(ctx)
	installed, err := s.boot(ctx)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = nil // stopped before it had started
		}
		return errors.Join(err, listener.Close())
	}
	booted = true
	s.restoreConnections(ctx)
	parts.Go(func() { s.running.track("state saver", func() { s.saver.Run(live, s.loop) }) })
	s.stopJobs = s.startJobs(live, &parts)
	defer s.stopJobs()
	parts.Go(func() {
		var err error
		s.running.track("HTTP server", func() { err = s.http.Serve(listener) })
		if !errors.Is(err, http.ErrServerClosed) {
			s.stop(fmt.Errorf("engine: serving: %w", err))
		}
	})
	reloading := s.startReloads(ctx)
	s.startedAt.Store(time.Now().UnixNano())
	s.ready.Store(true)
	if s.options.OnStarted != nil {
		s.options.OnStarted(s.status(installed.After, listener.Addr()), s)
	}
	<-ctx.Done()
	s.ready.Store(false)
	if s.options.OnStopping != nil {
		s.running.track("stop notification", func() { s.options.OnStopping(time.Duration(s.stopAllowed.Load())) })
	}
	s.running.track("reload", reloading.Wait)
	return s.shutdown(live, context.Cause(ctx))
}

// startJobs takes jobs, as the scripts want, until stop is called. stop waits for the jobs in progress, which finish or are
// released within stop.drain.
func (s *Server) startJobs(ctx context.Context, parts *sync.WaitGroup) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{}) // closed when no job is in progress any more
	parts.Go(func() {
		defer close(ended)
		s.running.track("jobs", func() { s.jobs.Run(ctx, s) })
	})
	return func() {
		cancel()
		<-ended
	}
}

// Job implements queue.Handler. If state.sync is "job", done is called for a successful job after the next save of the state.
func (s *Server) Job(ctx context.Context, j queue.Job, done func(err error)) {
	s.manager.Job(ctx, j, func(err error) {
		if err != nil || !s.saver.SyncsJobs() {
			done(err)
			return
		}
		j.Returned()
		s.saver.JobApplied(j.Fingerprint, done)
	})
}

// shutdown stops the components in order. It refuses new clients, and closes the others one by one within stop.lame_duck. Then it
// takes no new jobs; jobs in progress finish or are released. It runs the scripts' stop hook, saves the state, and sends the clients
// that are left what is queued for them and a close frame. The processes are stopped from the stop hook on. Each step has a time
// limit of its own, because queued turns can delay the stop hook and the save. All other components stop when run returns; finish
// then logs the result.
func (s *Server) shutdown(ctx context.Context, cause error) error {
	why := wire.CloseShutdown()
	if s.options.Listener != nil { // the next client starts the server again
		why = wire.CloseRestart()
	}
	var request *stopRequest
	switch {
	case errors.As(cause, &request):
		why, cause = request.why, nil
	case errors.Is(cause, context.Canceled):
		cause = nil
	}
	s.log.Info("engine: stopping", "reason", why.Reason)
	s.end.connections = s.broker.Count()
	// HTTP requests in progress may end. WebSockets belong to the broker.
	var pages sync.WaitGroup
	defer pages.Wait()
	pages.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, pagesDrain)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			_ = s.http.Close() // cuts the requests that have not ended
		}
	})
	s.manager.BeginStop(s.keepsConnections())
	if over := s.config.Stop.LameDuck.Std(); over > 0 {
		s.running.track("closing gradually", func() { s.broker.CloseGradually(ctx, over, why) })
	}
	inTime, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := s.config.Stop.Timeout.Std()
	s.endStopTimeout = loop.AfterRunning(limit, stopInterval(limit), func() {
		s.end.late.Store(true)
		cancel()
		s.programs.Abort() // also for the last turns of the loop
	})
	s.stopJobs()
	s.runStopHook(inTime)
	var processes sync.WaitGroup
	processes.Go(func() { s.process.Close(inTime) })
	saving := s.saveEarly(inTime)
	defer saving.Wait()
	s.end.forced = s.broker.Shutdown(inTime, s.config.Stop.Drain.Std(), why)
	processes.Wait()
	if turns := s.loop.Queued(); turns > s.end.connections { // each connection leaves one, its close hook
		s.log.Info("engine: all clients are disconnected, turns remain", "turns", turns)
	}
	return cause
}

func (s *Server) runStopHook(ctx context.Context) {
	ctx, cancel := loop.WithRunningTimeout(ctx, stopHookTimeout, context.DeadlineExceeded)
	defer cancel()
	if err := s.manager.RunStopHook(ctx); err != nil {
		s.log.Error("engine: the stop hook failed", "error", err)
	}
}

// saveEarly saves the state before the clients are closed. It waits for earlySave at most; the caller waits for saving later.
func (s *Server) saveEarly(ctx context.Context) (saving *sync.WaitGroup) {
	ctx, cancel := context.WithTimeout(ctx, earlySave)
	saving = &sync.WaitGroup{}
	saving.Go(func() {
		defer cancel()
		var err error
		s.running.track("state save", func() { err = s.saver.Save(ctx, s.loop) })
		switch {
		case err == nil:
		case ctx.Err() != nil:
			s.log.Warn("engine: the state will be saved after the remaining turns", "error", err)
		default:
			s.log.Error("engine: the state could not be saved", "error", err) // finish tries again
		}
	})
	<-ctx.Done()
	return saving
}

// finish runs after the loop has drained. Accepted messages are processed until stop.timeout, because clients will not resend
// them; then finish saves the state.
func (s *Server) finish() (err error) {
	late := s.end.late.Load()
	s.running.track("final state save", func() {
		s.saveParts()
		err = s.saver.SaveFinal()
	})
	if n := s.loop.Dropped(); n > 0 {
		s.log.Warn("engine: deferred commands and timers were dropped", "turns", n)
	}
	s.log.Info("engine: stopped", "connections", s.end.connections, "forced", s.end.forced)
	if late {
		err = errors.Join(err, fmt.Errorf("engine: stopping took longer than stop.timeout, %s", s.config.Stop.Timeout))
	}
	return err
}

// close releases the resources of the scripts, after everything else has ended. The end of the loop has called off the requests
// that handlers were waiting for.
func (s *Server) close() {
	if s.endStopTimeout != nil {
		s.endStopTimeout()
	}
	s.running.track("HTTP requests of scripts", s.fetch.Close)
	s.running.track("processes", func() { s.process.Close(context.Background()) }) // in case shutdown did not run
	s.running.track("scripts", s.programs.Close)
	s.running.track("queue", s.jobs.Close)
}
