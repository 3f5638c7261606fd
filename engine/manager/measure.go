package manager

import (
	"errors"

	"perigee/engine/loop"
	"perigee/engine/manager/registry"
	"perigee/engine/metrics"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// measures count what the handlers of a generation do. They belong to the loop.
type measures struct {
	of                        *metrics.Generation
	received                  map[*registry.Message]*metrics.Counter
	unknown, invalid          *metrics.Counter // messages
	open, closed, failed, end *metrics.Handler // hooks
	timers                    map[string]*metrics.Handler
}

func newMeasures(of *metrics.Generation) measures {
	return measures{
		of:       of,
		received: map[*registry.Message]*metrics.Counter{},
		unknown:  of.Unknown(),
		invalid:  of.Invalid(),
		open:     of.Handler(metrics.Hook, "open"),
		closed:   of.Handler(metrics.Hook, "close"),
		failed:   of.Handler(metrics.Hook, "error"),
		end:      of.Handler(metrics.Hook, "stop"),
		timers:   map[string]*metrics.Handler{},
	}
}

// measured runs a handler and counts that.
func measured(runs *metrics.Handler, handle func() error) error {
	start := runs.Start()
	err := handle()
	runs.End(start, err == nil || errors.Is(err, loop.ErrStopped))
	return err
}

// addMessage registers a message whose handler is counted.
func (g *generation) addMessage(msg script.Message) error {
	if handle := msg.Handle; handle != nil {
		runs := g.measures.of.Handler(metrics.Message, msg.Name)
		msg.Handle = func(c script.Client, in script.Incoming) error {
			return measured(runs, func() error { return handle(c, in) })
		}
	}
	if err := g.registry.AddMessage(msg); err != nil {
		return err
	}
	g.measures.received[g.registry.Message(msg.Name)] = g.measures.of.Received(msg.Name)
	return nil
}

// addCommand registers a command that is counted.
func (g *generation) addCommand(c script.Command) error {
	if run := c.Run; run != nil {
		runs := g.measures.of.Handler(metrics.Command, c.Name)
		c.Run = func(arguments wire.Value) (result wire.Value, err error) {
			err = measured(runs, func() error {
				result, err = run(arguments)
				return err
			})
			return result, err
		}
	}
	return g.registry.AddCommand(c)
}

// timer returns what counts the runs of a function that a timer runs, by where that is written.
func (m *measures) timer(name string) *metrics.Handler {
	runs, known := m.timers[name]
	if !known {
		runs = m.of.Handler(metrics.Timer, name)
		m.timers[name] = runs
	}
	return runs
}

// AuthFailures returns how many passwords were wrong, or not to be compared: of clients, and of programs. Any goroutine may
// call it.
func (m *Manager) AuthFailures() (clients, programs uint64) {
	return m.clients.Refused(), m.programs.Refused()
}
