package manager

import (
	"time"

	"perigee/engine/wire"
)

// delayedCommand is a command that will run in a turn of its own, by the scripts that run then.
type delayedCommand struct {
	command   string
	arguments wire.Value
	owner     int // the number of the generation that the arguments belong to
	cancel    func()
	aborted   bool
}

func (g *generation) Next(command string, arguments wire.Value) (abort func(), err error) {
	return g.deferCommand(command, arguments, func(run func()) func() {
		g.manager.loop.Defer("command "+command, run)
		return func() {}
	})
}

func (g *generation) Delay(after time.Duration, command string, arguments wire.Value) (abort func(), err error) {
	l := g.manager.loop
	due := l.Now().Add(after)
	return g.deferCommand(command, arguments, func(run func()) func() {
		return l.After(due.Sub(l.Now()), "command "+command, run)
	})
}

// deferCommand has schedule run a command later.
func (g *generation) deferCommand(command string, arguments wire.Value, schedule func(run func()) (cancel func())) (abort func(), err error) {
	m := g.manager
	if _, err := g.active().registry.Command(command); err != nil {
		return nil, err
	}
	d := &delayedCommand{command: command, arguments: arguments, owner: g.number, cancel: func() {}}
	g.do(func() {
		if !d.aborted {
			m.delayed[d] = struct{}{}
			d.cancel = schedule(func() { m.runDelayed(d) })
		}
	})
	return func() {
		d.aborted = true
		d.cancel()
		delete(m.delayed, d)
	}, nil
}

func (m *Manager) runDelayed(d *delayedCommand) {
	if d.aborted {
		return
	}
	delete(m.delayed, d)
	g := m.generation.Load()
	m.warn(g.adopt(&d.arguments, &d.owner, "the arguments of command "+d.command))
	if _, err := g.Run(d.command, d.arguments); err != nil {
		m.fail(g.number, "command "+d.command, nil, "", err)
	}
	m.hub.Flush()
}
