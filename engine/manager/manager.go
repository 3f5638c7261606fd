// Package manager owns the application: it takes in what sockets, the queue and other programs send, checks who may send it,
// and has the scripts handle it. It also owns the scripts' timers and delayed commands, and replaces one set of scripts by
// another. The connections are in its hub.Hub, what scripts register in a registry.Registry. It must not know Lua: scripts are
// an Application, and reach the server through script.Host. It must not know sockets.
//
// All of its state belongs to the loop. The exported methods of Manager may be called by any goroutine but the loop's, and
// only post turns; those that are not exported run on the loop and may use every field. The types generation and scriptTimer,
// which implement interfaces of package script, belong to the loop as a whole, as do the packages hub and registry.
package manager

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/failures"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/manager/hub"
	"perigee/engine/manager/registry"
	"perigee/engine/metrics"
	"perigee/engine/queue"
	"perigee/engine/script"
	"perigee/engine/script/module"
	"perigee/engine/trace"
	"perigee/engine/wire"
)

// Routes lists the registrations of a set of scripts.
type Routes = registry.Routes

// Options are the settings of the manager.
type Options struct {
	// Key is the admin key.
	Key auth.Key
	// ProgramKeys are the keys with which programs may run some commands.
	ProgramKeys []auth.ProgramKey
	// Limits has the limits of connections. The manager enforces MaxBadMessages and Subscriptions.
	Limits config.Limits
	Roster config.Roster
	Resume config.Resume
	// Redactor hides secrets in what the server repeats of messages.
	Redactor wire.Redactor
	// SetWorker is called on the loop when scripts have been installed, with how they take jobs, or nil if they take none. It
	// must not wait. Optional.
	SetWorker func(w *module.WorkerOptions)
	// SuggestMessages adds the name of a similar message to the answer to an unknown one. Any client can then learn names.
	SuggestMessages bool
	// Drain is how long handlers of replaced scripts may go on.
	Drain time.Duration
	// Failures keeps the failures of scripts for operators. Optional.
	Failures *failures.Log
	// OnFailure is called on the loop with each of them that is logged. It must not wait. Optional.
	OnFailure func(f failures.Failure)
	// Stop begins the graceful end of the server. It is called at most once, on the loop, and must not wait.
	Stop func(why wire.Close)
	// Supervisor is the name of the program that starts the server again when it ends; "" if there is none.
	Supervisor string
	// Metrics counts what handlers do. Optional.
	Metrics *metrics.Registry
	// Retired is called on the loop with replaced scripts that have nothing left to do. Optional.
	Retired func(a Application)
}

// Manager runs an application.
type Manager struct {
	// Set by New and SetPublisher, never changed.
	loop    *loop.Loop
	log     *slog.Logger
	started time.Time
	hub     *hub.Hub // belongs to the loop
	// Clients and programs have separate throttles: wrong passwords of a client do not lock out a program with the right one.
	clientThrottle, programThrottle *auth.Throttle

	// Written by the loop, read by any goroutine.
	generation atomic.Pointer[generation]

	// Used by any goroutine.
	key         atomic.Pointer[auth.Key]
	programKeys atomic.Pointer[[]auth.ProgramKey]
	redactor    atomic.Pointer[wire.Redactor]

	// Owned by the loop.
	options  Options
	loading  bool                         // scripts are loading that are to be installed
	timers   map[*scriptTimer]struct{}    // started by handlers with the name of a command
	delayed  map[*delayedCommand]struct{} // commands that have not run yet
	failures logging.Throttle             // of the scripts, by turn and place
	stopping bool

	resumes resumes // used by any goroutine
}

var (
	_ broker.Handler = (*Manager)(nil)
	_ queue.Handler  = (*Manager)(nil)
	_ script.Host    = (*generation)(nil)
	_ script.Timer   = (*scriptTimer)(nil)
	_ hub.Scripts    = (*generation)(nil)
	_ hub.Publisher  = (*broker.Broker)(nil)
)

// New returns a manager without scripts. SetPublisher and Install must be called before the first connection.
func New(o Options, l *loop.Loop, log *slog.Logger) *Manager {
	m := &Manager{
		options:         o,
		timers:          map[*scriptTimer]struct{}{},
		delayed:         map[*delayedCommand]struct{}{},
		loop:            l,
		log:             log,
		clientThrottle:  auth.NewThrottle(),
		programThrottle: auth.NewThrottle(),
		started:         l.Now(),
	}
	m.hub = hub.New(hub.Options{
		Limits: o.Limits, Roster: o.Roster, Resume: o.Resume, Closed: m.closed,
		AwayChanged: func(n int) { m.resumes.away.Store(int64(n)) },
		CheckPassword: func(peer auth.Peer, password string, logFields ...any) bool {
			_, ok := m.checkPassword(m.clientThrottle, nil, peer, password, logFields...)
			return ok
		},
		Redact:  func(text []byte) []byte { return m.redactor.Load().JSON(text) },
		Scripts: func() hub.Scripts { return m.generation.Load() },
	}, l, log)
	m.key.Store(&o.Key)
	m.programKeys.Store(&o.ProgramKeys)
	m.redactor.Store(&o.Redactor)
	first := newGeneration(m, 0)
	first.phase = running
	m.generation.Store(first)
	return m
}

// Hub returns the hub. Only the loop may call its methods.
func (m *Manager) Hub() *hub.Hub { return m.hub }

// SetPublisher sets the publisher, which sends frames to many clients at once. It is called once, before the loop runs.
func (m *Manager) SetPublisher(p hub.Publisher) { m.hub.SetPublisher(p) }

// Trace begins a trace of the messages that the filter selects. It ends after limit, unless that is 0. It is safe for concurrent use.
func (m *Manager) Trace(f trace.Filter, limit time.Duration) (*trace.Tap, error) {
	redactor := func() wire.Redactor { return *m.redactor.Load() }
	return m.hub.Taps().Add(trace.Options{Filter: f, Redactor: redactor, Limit: limit})
}

// Host returns the host of the scripts that run now. It is called on the loop, as are the methods of the host.
func (m *Manager) Host() script.Host { return m.generation.Load() }

// HistoryBytes returns how many bytes of messages topics keep.
func (m *Manager) HistoryBytes() int64 { return m.hub.HistoryBytes() }

// Generation returns the number of the scripts that run now; 0 means none.
func (m *Manager) Generation() int { return m.generation.Load().number }

// InstallTurn is the name of the turn in which Install runs.
const InstallTurn = "install"

// Install loads a set of scripts and makes it the one that runs. load is called on the loop and may wait. What it registers
// with the host, starts and sends meanwhile takes effect all at once, if load returns no error and the registrations are valid:
// connections, topics, delayed commands, timers with the name of a command, and the fields of clients are kept. Otherwise the
// previous scripts continue unchanged, and the error has every fault. Install waits for the outcome, at most until ctx ends;
// after that nothing is installed any more.
func (m *Manager) Install(ctx context.Context, load func(h script.Host) (Application, error)) (Installed, error) {
	var outcome Installed
	err := m.load(ctx, load, func(next *generation) { outcome = m.swap(next) })
	return outcome, err
}

// Rehearse loads a set of scripts as Install does and returns what they registered. They never run.
func (m *Manager) Rehearse(ctx context.Context, load func(h script.Host) (Application, error)) (Routes, error) {
	var routes Routes
	err := m.load(ctx, load, func(next *generation) { routes = next.registry.Routes(next.number) })
	return routes, err
}

// errTooLate is returned if the scripts have loaded after the caller has stopped waiting for them.
var errTooLate = errors.New("manager: install: the scripts loaded too late")

// load loads a set of scripts in a turn, and calls conclude in the same turn unless ctx has ended by then.
func (m *Manager) load(ctx context.Context, load func(h script.Host) (Application, error), conclude func(next *generation)) error {
	var decided atomic.Bool // by the turn or by the end of ctx, whichever comes first
	done := make(chan error, 1)
	err := m.loop.Post(InstallTurn, func() {
		err := errPanicked
		defer func() { done <- err }()
		err = m.install(load, func(next *generation) error {
			if !decided.CompareAndSwap(false, true) {
				return errTooLate
			}
			conclude(next)
			return nil
		})
	})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		if decided.CompareAndSwap(false, true) {
			return context.Cause(ctx)
		}
		return <-done
	case err := <-done:
		return err
	}
}

// Configure takes over the settings that may change while the server runs: Key, ProgramKeys, Redactor, Limits, Roster, Resume,
// SuggestMessages and Drain. If the key changes, admins that are away lose their right.
func (m *Manager) Configure(o Options) {
	before := m.key.Swap(&o.Key)
	m.programKeys.Store(&o.ProgramKeys)
	m.redactor.Store(&o.Redactor)
	_ = m.loop.Post("configure", func() { // a stopped loop needs no settings
		m.options.Drain, m.options.SuggestMessages = o.Drain, o.SuggestMessages
		m.hub.Configure(o.Limits, o.Roster, o.Resume)
		if *before != o.Key {
			m.hub.RevokeAway()
			m.hub.Flush()
		}
	})
}

// RunStopHook runs the scripts' stop hook and returns its error. It waits for it at most until ctx ends.
func (m *Manager) RunStopHook(ctx context.Context) error {
	return m.runTurn(ctx, "stop", m.stopHook)
}

// PostStopHook runs the scripts' stop hook in a turn of its own, and calls done on the loop with its error.
func (m *Manager) PostStopHook(done func(err error)) error {
	return m.loop.Post("stop", func() { done(m.stopHook()) })
}

func (m *Manager) stopHook() error {
	defer m.hub.Flush()
	g := m.generation.Load()
	return runCounted(g.metrics.onStop, g.application.OnStop)
}

// Routes returns what is registered. It waits for its turn at most until ctx ends.
func (m *Manager) Routes(ctx context.Context) (Routes, error) {
	var routes Routes
	err := m.runTurn(ctx, "routes", func() error {
		g := m.generation.Load()
		routes = g.registry.Routes(g.number)
		return nil
	})
	if err != nil {
		return Routes{}, err
	}
	return routes, nil
}

// errPanicked is returned if a turn has panicked. The loop logs the panic itself.
var errPanicked = errors.New("manager: the turn panicked")

// runTurn runs a turn and waits for its outcome, at most until ctx ends.
func (m *Manager) runTurn(ctx context.Context, turn string, run func() error) error {
	done := make(chan error, 1)
	err := m.loop.PostWithin(ctx, turn, func() {
		outcome := errPanicked
		defer func() { done <- outcome }()
		outcome = run()
	})
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
