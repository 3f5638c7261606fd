// Package manager is the kernel of the server. It takes in what sockets, the queue and other programs bring, asks the guard
// and has the scripts do the work; it owns timers and delayed commands, and lets one set of scripts take over from another.
// Who is connected is a hub.Hub to it, what scripts register a registry.Registry. It does not know Lua: the application
// is an Application to it, and reaches the server through script.Host. It does not know sockets.
//
// All of its state lives on the loop. The exported methods of Manager may be called by any goroutine but the loop's, and
// only hand the loop a turn; what is not exported runs on the loop and may touch every field. The types behind
// script.Host, script.Timer and hub.Scripts are not exported and belong to the loop as a whole, as do the packages hub
// and registry.
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
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/manager/hub"
	"perigee/engine/manager/registry"
	"perigee/engine/metrics"
	"perigee/engine/queue"
	"perigee/engine/script"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// Application is what the scripts do for the server; *script.Program is one. Decode may be called by any goroutine, the
// others are called on the loop. Errors that have a method Traceback() string are logged with it; by Place() string,
// where there is one, the log tells whether it is the same again.
type Application interface {
	// Decode makes of a frame what handlers get, never nil. It refuses what is no JSON or beyond the limits.
	Decode(text []byte) (wire.Value, error)
	// Open is called once for each connection, before its first message; Closed once, when it is no longer among the
	// connections.
	Open(c script.Client) error
	Closed(c script.Client, reason string) error
	// Failed is told what went wrong for a connection.
	Failed(c script.Client, problem string) error
	// Roster returns the JSON of what others see of a connection; nil leaves it out.
	Roster(c script.Client) ([]byte, error)
	// Stop is called once, before the end.
	Stop() error
	// Within calls run. What the scripts wait for within run is called off when ctx ends, and is an error to them.
	Within(ctx context.Context, run func())

	// Started is called once, in the turn in which these scripts begin to run.
	Started()
	// Adopt makes a value that other scripts have left behind one of these, and names what cannot be: "a function at b[1]".
	Adopt(v wire.Value) (adopted wire.Value, lost string)
	// Replaced is called once, in the turn in which other scripts take over. done is called once, on the loop, when nothing of
	// these is left: no handler that waits, no timer, no process.
	Replaced(done func())
	// Interrupt ends what still waits, with a cause that the scripts see.
	Interrupt(cause error)
	// Forget lets go of what these scripts keep in the Slot of a client or topic.
	Forget(slot *any)
}

// unwritten is the application before any has been installed: it knows no message and does nothing.
type unwritten struct{}

func (unwritten) Decode(text []byte) (wire.Value, error)  { return wire.Raw(text), nil }
func (unwritten) Open(script.Client) error                { return nil }
func (unwritten) Closed(script.Client, string) error      { return nil }
func (unwritten) Failed(script.Client, string) error      { return nil }
func (unwritten) Roster(script.Client) ([]byte, error)    { return nil, nil }
func (unwritten) Stop() error                             { return nil }
func (unwritten) Adopt(v wire.Value) (wire.Value, string) { return v, "" }
func (unwritten) Started()                                {}
func (unwritten) Replaced(done func())                    { done() }
func (unwritten) Interrupt(error)                         {}
func (unwritten) Forget(*any)                             {}
func (unwritten) Within(_ context.Context, run func())    { run() }

// ErrUnknownCommand is wrapped by the errors of Host.Run, Next and Delay.
var ErrUnknownCommand = registry.ErrUnknownCommand

// Routes is what scripts have registered.
type Routes = registry.Routes

// Options are the settings of the manager.
type Options struct {
	// Key is what Authenticate compares passwords with.
	Key auth.Key
	// Limits: those of connections, of which the manager holds MaxBadMessages and Subscriptions.
	Limits config.Limits
	Roster config.Roster
	// Work is called on the loop when scripts have been installed, with how jobs are to be taken; nil is not at all. It must
	// not wait. A nil Work is nobody.
	Work func(w *module.Work)
	// Drain is how long handlers of scripts that were replaced may go on.
	Drain time.Duration
	// Stop begins the graceful end of the server. It is called at most once, on the loop, and must not wait.
	Stop func(why wire.Close)
	// Metrics count what handlers do; nil counts nothing.
	Metrics *metrics.Registry
	// Retired is told of scripts that were replaced once nothing of them is left; nil is nobody. It is called on the loop.
	Retired func(a Application)
}

// Manager is the kernel.
type Manager struct {
	// Set by New and SetPublisher, never changed.
	loop    *loop.Loop
	log     *slog.Logger
	started time.Time
	hub     *hub.Hub // owned by the loop
	// One for each door: a client's wrong passwords do not keep out a program with the right one.
	clients, programs *auth.Throttle

	// Written by the loop, read by any goroutine.
	generation atomic.Pointer[generation]

	// Used by any goroutine.
	key atomic.Pointer[auth.Key]

	// Owned by the loop.
	options  Options
	loading  bool                // scripts load that are to be installed
	timers   map[*work]struct{}  // that handlers started with the name of a command
	later    map[*later]struct{} // commands that are put off
	failures logging.Throttle    // of the scripts, by turn and place
	stopping bool
}

var (
	_ broker.Handler = (*Manager)(nil)
	_ queue.Handler  = (*Manager)(nil)
	_ script.Host    = (*host)(nil)
	_ script.Timer   = (*work)(nil)
	_ hub.Scripts    = (*generation)(nil)
	_ hub.Publisher  = (*broker.Broker)(nil)
)

// New returns a manager without scripts: SetPublisher and Install come before the first connection.
func New(o Options, l *loop.Loop, log *slog.Logger) *Manager {
	m := &Manager{
		options:  o,
		timers:   map[*work]struct{}{},
		later:    map[*later]struct{}{},
		loop:     l,
		log:      log,
		clients:  auth.NewThrottle(),
		programs: auth.NewThrottle(),
		started:  l.Now(),
	}
	m.hub = hub.New(hub.Options{
		Limits: o.Limits, Roster: o.Roster, Closed: m.closed,
		CheckPassword: func(peer auth.Peer, password string, logFields ...any) bool {
			return m.opens(m.clients, peer, password, logFields...)
		},
		Scripts: func() hub.Scripts { return m.generation.Load() },
	}, l, log)
	m.key.Store(&o.Key)
	first := newGeneration(m, 0)
	first.phase = running
	m.generation.Store(first)
	return m
}

// SetPublisher sets what sends frames to many clients at once. It is called once, before the loop runs.
func (m *Manager) SetPublisher(p hub.Publisher) { m.hub.SetPublisher(p) }

// Host returns what the scripts that run now reach the server through; it is called on the loop, as are its methods.
func (m *Manager) Host() script.Host { return &host{m, m.generation.Load()} }

// Generation returns the number of the scripts that run now; 0 is none.
func (m *Manager) Generation() int { return m.generation.Load().number }

// InstallTurn is what the loop calls the turn of Install.
const InstallTurn = "install"

// Install makes a set of scripts the one that runs. load is called on the loop and may wait; while it lasts, what it
// registers with the Host, starts and sends is gathered, and takes effect all at once when both load and what was registered
// are without fault: connections, topics, delayed commands, timers by name and the clients' fields go over. Otherwise the
// scripts that ran before go on as if nothing had happened, and the error has every fault. Install waits for the outcome, at
// most until ctx ends; nothing is installed after that.
func (m *Manager) Install(ctx context.Context, load func(h script.Host) (Application, error)) (Installed, error) {
	var outcome Installed
	err := m.load(ctx, load, func(next *generation) error {
		outcome = m.swap(next)
		return nil
	})
	return outcome, err
}

// Rehearse loads a set of scripts as Install does and returns what they registered. They never run.
func (m *Manager) Rehearse(ctx context.Context, load func(h script.Host) (Application, error)) (Routes, error) {
	var routes Routes
	err := m.load(ctx, load, func(next *generation) error {
		routes = next.routes()
		return nil
	})
	return routes, err
}

// errTooLate is the outcome of scripts that have loaded when nobody waits for them any more.
var errTooLate = errors.New("manager: install: nobody waits for these scripts any more")

// load loads a set of scripts in a turn, and calls conclude in the same turn unless ctx has ended by then.
func (m *Manager) load(ctx context.Context, load func(h script.Host) (Application, error), conclude func(next *generation) error) error {
	var decided atomic.Bool // by conclude or by the end of ctx, whichever comes first
	done := make(chan error, 1)
	err := m.loop.Post(InstallTurn, func() {
		end := errPanicked
		defer func() { done <- end }()
		end = m.install(load, func(next *generation) error {
			if !decided.CompareAndSwap(false, true) {
				return errTooLate
			}
			return conclude(next)
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

// Configure takes over the settings that may change while the server runs: Key, Limits, Roster and Drain.
func (m *Manager) Configure(o Options) {
	m.key.Store(&o.Key)
	m.post("configure", func() {
		m.options.Drain = o.Drain
		m.hub.Configure(o.Limits, o.Roster)
	})
}

// StopHook runs the scripts' stop hook and returns its error. It waits for it at most until ctx ends.
func (m *Manager) StopHook(ctx context.Context) error {
	return m.ask(ctx, "stop", func() error {
		defer m.settle()
		g := m.generation.Load()
		return measured(g.measures.end, g.application.Stop)
	})
}

// Routes returns what is registered. It waits for its turn at most until ctx ends.
func (m *Manager) Routes(ctx context.Context) (Routes, error) {
	var routes Routes
	err := m.ask(ctx, "routes", func() error {
		routes = m.generation.Load().routes()
		return nil
	})
	if err != nil {
		return Routes{}, err
	}
	return routes, nil
}

// errPanicked is the outcome of a turn that did not come to its end; the loop has the panic itself.
var errPanicked = errors.New("manager: the turn panicked")

// ask takes a turn and waits for its outcome.
func (m *Manager) ask(ctx context.Context, turn string, run func() error) error {
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

func (m *Manager) application() Application { return m.generation.Load().application }

// settle ends a turn: what it changed of topics, subscriptions and the roster goes out.
func (m *Manager) settle() { m.hub.Flush() }
