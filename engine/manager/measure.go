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
	received                  map[*registry.Message]*metrics.Count
	unknown, invalid          *metrics.Count // messages
	open, closed, failed, end *metrics.Runs  // hooks
	timers                    map[string]*metrics.Runs
}

func newMeasures(of *metrics.Generation) measures {
	return measures{
		of:       of,
		received: map[*registry.Message]*metrics.Count{},
		unknown:  of.Unknown(),
		invalid:  of.Invalid(),
		open:     of.Runs(metrics.Hook, "open"),
		closed:   of.Runs(metrics.Hook, "close"),
		failed:   of.Runs(metrics.Hook, "error"),
		end:      of.Runs(metrics.Hook, "stop"),
		timers:   map[string]*metrics.Runs{},
	}
}

// measured runs a handler and counts that.
func measured(runs *metrics.Runs, handle func() error) error {
	began := runs.Began()
	err := handle()
	runs.Ended(began, err == nil || errors.Is(err, loop.ErrStopped))
	return err
}

// addMessage registers a message whose handler is counted.
func (g *generation) addMessage(msg script.Message) error {
	if handle := msg.Handle; handle != nil {
		runs := g.measures.of.Runs(metrics.Message, msg.Name)
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
		runs := g.measures.of.Runs(metrics.Command, c.Name)
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
func (m *measures) timer(name string) *metrics.Runs {
	runs, known := m.timers[name]
	if !known {
		runs = m.of.Runs(metrics.Timer, name)
		m.timers[name] = runs
	}
	return runs
}

// AuthFailures returns how many passwords were wrong, or not to be compared: of clients, and of programs. Any goroutine may
// call it.
func (m *Manager) AuthFailures() (clients, programs uint64) {
	return m.clients.Refused(), m.programs.Refused()
}
