// Package manager is the kernel of the server. It owns the connections and what is known of them, topics and
// subscriptions, notifications, the registered messages, commands and listeners with the guard before them, timers,
// delayed commands and the roster. It does not know Lua: the application is an Application to it, and reaches the server
// through script.Host. It does not know sockets: a client's is a Socket, all of them are an Outlet.
//
// All of its state lives on the loop. The exported methods of Manager may be called by any goroutine but the loop's, and
// only hand the loop a turn; what is not exported runs on the loop and may touch every field. The types behind
// script.Host, script.Client, script.Topic and script.Timer are not exported and belong to the loop as a whole.
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
}

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
	// Stop begins the graceful end of the server. It is called at most once, on the loop, and must not wait.
	Stop func(why wire.Close)
}

// Manager is the kernel.
type Manager struct {
	// Set by New and Connect, never changed.
	options  Options
	loop     *loop.Loop
	log      *slog.Logger
	throttle *auth.Throttle
	started  time.Time
	outlet   Outlet

	// Written by the loop, read by any goroutine.
	generation atomic.Pointer[generation]

	// Owned by the loop.
	staging  *generation // what is being registered; nil unless scripts load
	sockets  map[Socket]*connection
	uuids    map[string]*connection
	order    []*connection // all that are open, as they were opened
	opened   uint64        // how many connections there have been
	topics   topics
	roster   roster
	notices  notices
	failures logging.Repeats // of the scripts, by turn and place
	buffer   []byte          // where frames are encoded; nil while it is in use
	stopping bool
}

var (
	_ broker.Handler = (*Manager)(nil)
	_ queue.Handler  = (*Manager)(nil)
	_ script.Host    = (*host)(nil)
	_ script.Client  = (*connection)(nil)
	_ script.Topic   = (*topic)(nil)
	_ script.Timer   = (*timer)(nil)
)

// New returns a manager without scripts: Connect and Install come before the first connection.
func New(o Options, l *loop.Loop, log *slog.Logger) *Manager {
	m := &Manager{
		options:  o,
		loop:     l,
		log:      log,
		throttle: auth.NewThrottle(),
		started:  l.Now(),
		sockets:  map[Socket]*connection{},
		uuids:    map[string]*connection{},
		topics:   newTopics(),
		roster:   newRoster(o.Roster),
		notices:  notices{turn: 1},
	}
	m.topics.news = notice{send: m.tellTopics}
	m.generation.Store(newGeneration(0))
	return m
}

// Connect says how many clients are reached at once. It is called once, before the loop runs.
func (m *Manager) Connect(out Outlet) { m.outlet = out }

// Host returns what scripts reach the server through; its methods are for the loop.
func (m *Manager) Host() script.Host { return &host{m} }

// InstallTurn is what the loop calls the turn of Install.
const InstallTurn = "install"

// Install makes a set of scripts the one that runs. load is called on the loop; while it lasts, what it registers with
// Host is gathered, and takes effect all at once when both load and what was registered are without fault. Otherwise
// nothing changes, and the error has every fault. Install waits for the outcome, at most until ctx ends.
func (m *Manager) Install(ctx context.Context, load func(h script.Host) (Application, error)) error {
	return m.ask(ctx, InstallTurn, func() error { return m.install(load) })
}

// StopHook runs the scripts' stop hook and returns its error. It waits for it at most until ctx ends.
func (m *Manager) StopHook(ctx context.Context) error {
	return m.ask(ctx, "stop", func() error {
		defer m.settle()
		return m.application().Stop()
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
	err := m.loop.Post(turn, func() {
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

// encode makes a frame of a message, once for however many it goes to. Notices that are due go before it.
func (m *Manager) encode(name string, fields wire.Fields) (f *broker.Frame, size int, err error) {
	m.tellFirst()
	buffer := m.buffer
	m.buffer = nil
	text, err := wire.Append(buffer[:0], name, fields, m.loop.Now())
	m.buffer = text
	if err != nil {
		return nil, 0, err
	}
	return broker.NewFrame(text), len(text), nil
}

// broadcast sends a message to every connection.
func (m *Manager) broadcast(name string, fields wire.Fields) error {
	if len(m.order) == 0 {
		return nil
	}
	f, _, err := m.encode(name, fields)
	if err != nil {
		return err
	}
	m.outlet.Publish(everybody, f)
	return nil
}

// settle ends a turn: what it changed of topics, subscriptions and the roster goes out.
func (m *Manager) settle() {
	m.tellAll()
	m.askRoster()
}
