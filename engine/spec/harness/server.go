// Package harness owns the server that an example of a spec runs against: the real loop, manager and scripts, with fake
// connections, clock, queue, programs and HTTP servers. It must not know the spec's Lua, nor what the spec expects.
//
// Nothing here depends on the speed of the machine: after each call of a method, the loop runs until it is idle.
package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/script"
	"perigee/engine/script/store"
	"perigee/engine/wire"
)

// key is the password of admins in specs, whatever the settings say.
const key = "password"

// Bounds of how long a server may take to become idle.
const (
	maxRounds   = 10_000           // turns and alarms for one call of a method
	maxIdleWait = 30 * time.Second // of real time; the limits of scripts end turns long before that
)

// errNotIdle is the error of turns that cause further turns without end.
var errNotIdle = errors.New("the scripts do not become idle: something runs again and again without the clock being advanced")

// Options are the options of New.
type Options struct {
	Config config.Config
	// Scripts are the modules of the binary.
	Scripts fs.FS
	// Manager is the module of the application.
	Manager string
}

// Server is a server without sockets. Between two calls of its methods its loop is idle. It must be used by one goroutine.
type Server struct {
	loop     *loop.Loop
	clock    *clock
	manager  *manager.Manager
	store    *store.Store
	audit    *store.Audit
	programs *fakePrograms
	log      *Log
	clients  *publisher
	stubs    []Stub // written while the loop is idle

	jobs             []Job // put by scripts and the spec; written by the loop, and while it is idle
	lastJob          uint64
	commands         map[string]string // queue.map of the settings; set by Start, never changed
	handshakeTimeout time.Duration     // limits.handshake_timeout; set by New, never changed

	program     *script.Program // the running one
	generations script.Generations

	stopping *wire.Close // set by the loop
	stopped  bool

	// Set by New, never changed.
	load func(dir string) error // loads the scripts
	end  func()
}

// New returns a server without scripts, which Load loads. The caller must call End.
func New(ctx context.Context, o Options, l *Log) (*Server, error) {
	c := o.Config
	s := &Server{clock: &clock{now: StartTime()}, store: store.New(), log: l, clients: &publisher{}, commands: c.Queue.Map, handshakeTimeout: c.Limits.HandshakeTimeout.Std()}
	log := slog.New(s.log)
	s.audit = store.NewAudit(s.store, store.AuditOptions{Report: script.LogFinding(log)})
	s.loop = loop.New(loop.Options{
		MaxWaiting: c.Lua.MaxWaiting,
		Clock:      s.clock,
		OnPanic: func(turn string, v any, stack []byte) {
			s.log.addError(fmt.Errorf("panic in turn %s: %v\n%s", turn, v, stack))
		},
	})
	var err error
	if s.programs, err = newFakePrograms(c, s.log); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	s.manager = manager.New(manager.Options{
		Key:    auth.NewKey(key),
		Limits: c.Limits,
		Roster: c.Roster,
		Resume: c.Resume,
		Drain:  c.Lua.Drain.Std(),
		Stop:   func(why wire.Close) { s.stopping = &why },
		Retired: func(a manager.Application) {
			if p, ok := a.(*script.Program); ok {
				s.generations.Retire(p)
			}
		},
	}, s.loop, log)
	s.manager.SetPublisher(s.clients)
	// Turns that have begun run to their end, within their own limits.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	endWatching := s.generations.Watch(ctx)
	var goroutines sync.WaitGroup
	goroutines.Go(func() { s.loop.Run(running) })
	s.end = func() {
		cancel()
		goroutines.Wait()
		endWatching()
		s.generations.Close()
	}
	s.load = func(dir string) error {
		options := s.options(o, log)
		if dir != "" {
			options.Dir, options.DirName = dir, filepath.Base(dir)
		}
		return s.install(ctx, c.Lua.BootTimeout.Std(), options)
	}
	return s, nil
}

// Load loads the scripts, from dir if it is not "". If they fail, the previous ones stay.
func (s *Server) Load(dir string) error { return s.load(dir) }

// End ends the server and waits for all of its goroutines.
func (s *Server) End() { s.end() }

// install loads scripts and swaps them in; if they fail, the previous ones stay. While loading waits, the clock is advanced, at most
// by limit.
func (s *Server) install(ctx context.Context, limit time.Duration, options script.Options) error {
	ctx, end := loop.WithRunningTimeout(ctx, limit+time.Second, context.DeadlineExceeded)
	defer end()
	var p *script.Program
	loaded := false // the loop's
	began, done := make(chan struct{}), make(chan error, 1)
	var installing sync.WaitGroup
	defer installing.Wait()
	installing.Go(func() {
		_, err := s.manager.Install(ctx, func(h script.Host) (manager.Application, error) {
			close(began)
			defer func() { loaded = true }()
			made, err := script.New(options, h)
			if err != nil {
				return nil, err
			}
			p = made
			s.generations.Add(p)
			return p, p.Load()
		})
		done <- err
	})
	select {
	case <-began:
	case err := <-done: // loading has not begun
		return err
	}
	for s.drain() == nil && !loaded && (s.programs.step() || s.clock.step(s.clock.Now().Add(limit))) {
		continue
	}
	err := <-done
	if err == nil {
		s.program = p
	}
	return errors.Join(err, s.runUntilIdle())
}

// options returns the options of the engine, with the fakes of this server.
func (s *Server) options(o Options, log *slog.Logger) script.Options {
	options := script.OptionsFor(o.Config, s.loop)
	if o.Manager != options.Manager {
		options.Manager, options.ManagerSetting = o.Manager, "the manager"
	}
	options.Builtin = o.Scripts
	options.From, options.Replaces = s.manager.Generation(), s.program
	options.Generation = options.From + 1
	options.Store, options.Audit = s.store, s.audit
	options.Log = log
	options.Fetch = s.fetch
	options.Push = s.push
	options.Processes = s.programs
	return options
}

// turn runs f on the loop, and everything that it causes.
func (s *Server) turn(f func()) error {
	if err := s.loop.Post("spec", f); err != nil {
		return err
	}
	return s.runUntilIdle()
}

// runUntilIdle runs the loop until there is nothing to do at the current time.
func (s *Server) runUntilIdle() error {
	for range maxRounds {
		if err := s.drain(); err != nil {
			return err
		}
		stepped := s.programs.step()
		if err := s.programs.takeError(); err != nil {
			return err
		}
		if !stepped && !s.stepClock(s.clock.Now()) && !s.handleEnded() {
			return nil
		}
	}
	return errNotIdle
}

// drain waits until the loop has run every queued turn.
func (s *Server) drain() error {
	done := make(chan error, 1)
	rounds := 0
	var check func()
	check = func() {
		switch rounds++; {
		case s.loop.Queued() == 0:
			done <- nil
		case rounds == maxRounds:
			done <- errNotIdle
		default:
			s.loop.Next("spec", check)
		}
	}
	if err := s.loop.Post("spec", check); err != nil {
		return err
	}
	timeout := time.NewTimer(maxIdleWait)
	defer timeout.Stop()
	select {
	case err := <-done:
		return err
	case <-timeout.C:
		return errNotIdle
	}
}

// handleEnded does the work of the broker and the engine when connections or the server end: it tells the manager of closed
// connections, and closes all connections of a server that stops. It reports whether there was anything to do.
func (s *Server) handleEnded() bool {
	busy := false
	if s.stopping != nil && !s.stopped {
		s.stopped, busy = true, true
		s.manager.BeginStop(false)
		s.runStopHook()
		for _, conn := range s.clients.conns {
			conn.Close(*s.stopping)
		}
	}
	for _, conn := range s.clients.conns {
		if conn.closed != nil && !conn.detached {
			conn.detached, busy = true, true
			s.manager.Closed(conn, *conn.closed, broker.EndForGood)
		}
	}
	return busy
}

// stopHookTimeout is how long the stop hook may wait, as in the engine.
const stopHookTimeout = 2 * time.Second

// runStopHook runs the stop hook of the scripts. While it waits, the clock is advanced, at most by stopHookTimeout.
func (s *Server) runStopHook() {
	ended := false // the loop's
	err := s.manager.PostStopHook(func(err error) {
		ended = true
		if err != nil {
			s.log.addError(err)
		}
	})
	end := s.clock.Now().Add(stopHookTimeout)
	for err == nil && !ended {
		if err = s.drain(); err == nil && !ended && !s.programs.step() && !s.clock.step(end) {
			err = fmt.Errorf("the stop hook has not ended after %s", stopHookTimeout)
		}
	}
	if err != nil {
		s.log.addError(err)
	}
}

// Stop stops the server as SIGTERM does.
func (s *Server) Stop() error {
	why := wire.CloseShutdown()
	return s.turn(func() { s.stopping = cmp.Or(s.stopping, &why) })
}

// errStopped is returned by methods that need a running server.
var errStopped = errors.New("the server has stopped")

// Advance advances the clock and runs everything that becomes due, unless the server has stopped.
func (s *Server) Advance(d time.Duration) error {
	end := s.clock.Now().Add(d)
	for s.stepClock(end) {
		if err := s.runUntilIdle(); err != nil {
			return err
		}
	}
	s.clock.set(end)
	return s.runUntilIdle()
}

// Now returns the time of the clock.
func (s *Server) Now() time.Time { return s.clock.Now() }

// stepClock moves the clock to the next alarm that is due at end or before. It reports whether there was one. A server that has
// stopped has none.
func (s *Server) stepClock(end time.Time) bool { return !s.stopped && s.clock.step(end) }

// WithConnection calls do on the loop with the client of a new connection, if it is still open.
func (s *Server) WithConnection(conn *Conn, do func(c script.Client) error) (err error) {
	errTurn := s.turn(func() {
		for _, known := range s.manager.Host().Connections() {
			if known.ResourceID() == conn.id {
				err = do(known)
			}
		}
	})
	return cmp.Or(errTurn, err)
}

// Receive passes a message of a client to the manager.
func (s *Server) Receive(conn *Conn, text []byte) error {
	conn.heard++
	s.manager.Message(conn, text)
	return s.runUntilIdle()
}

// Disconnect closes the connection as a client does.
func (s *Server) Disconnect(conn *Conn) error {
	conn.Close(wire.CloseNormal(""))
	return s.runUntilIdle()
}

// ErrStillWaiting is wrapped by the error of a command that has not ended when the loop is idle.
var ErrStillWaiting = errors.New("is still waiting")

// Run runs a command, which must have ended when the loop is idle.
func (s *Server) Run(command string, arguments wire.Value) (text []byte, err error) {
	if s.stopped {
		return nil, errStopped
	}
	done := false
	errTurn := s.turn(func() {
		var result wire.Value
		result, err = s.manager.Host().Run(command, arguments)
		if err == nil && result != nil {
			text, err = result.AppendJSON(nil)
		}
		done = true
	})
	switch {
	case errTurn != nil:
		return nil, errTurn
	case !done:
		return nil, fmt.Errorf("command %q %w", command, ErrStillWaiting)
	}
	return text, err
}

// State returns the text of a state of the scripts, or nil if there is none.
func (s *Server) State(name string) ([]byte, error) {
	var saved store.Saved
	if err := s.turn(func() { saved = s.store.Save() }); err != nil {
		return nil, err
	}
	return saved.Texts[name], errors.Join(saved.Faults...)
}
