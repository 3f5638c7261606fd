package manager

import (
	"errors"
	"fmt"
	"time"

	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// Installed is the outcome of Install.
type Installed struct {
	Before, After registry.Routes
	// Swapped is when the new scripts had taken over.
	Swapped time.Time
	// Warnings name the values and timers that the new scripts could not take over, one sentence each.
	Warnings []string
}

// install loads a set of scripts and passes it to conclude, which may put it in force. If it does not, the scripts are
// discarded.
func (m *Manager) install(load func(h script.Host) (Application, error), conclude func(next *generation) error) error {
	if m.loading {
		return errors.New("manager: install: scripts are loading already")
	}
	m.loading = true
	next := newGeneration(m, m.generation.Load().number+1)
	defer func() {
		m.loading = false
		if next.phase == loading {
			next.discard()
		}
	}()
	var err error
	if next.application, err = load(next); err != nil {
		return err
	}
	if err := next.validate(); err != nil {
		return err
	}
	return conclude(next)
}

// swap replaces the scripts that run by the next ones, in one step.
func (m *Manager) swap(next *generation) Installed {
	old := m.generation.Load()
	outcome := Installed{Before: old.registry.Routes(old.number), After: next.registry.Routes(next.number)}
	old.phase, next.phase = replaced, running
	m.generation.Store(next)
	m.options.Metrics.Register(next.metrics.of)
	for _, t := range next.pending.byName {
		m.hub.AddTopic(t)
	}
	next.pending = pendingTopics{}
	outcome.Warnings = append(outcome.Warnings, m.adoptCommands(next)...)
	outcome.Warnings = append(outcome.Warnings, old.endFunctionTimers(m.options.Drain)...)
	next.startBootTimers(old)
	next.application.Start()
	if m.options.SetWorker != nil {
		m.options.SetWorker(next.worker)
	}
	acts := next.acts
	next.acts = nil
	for _, act := range acts {
		act()
	}
	m.drain(old)
	m.loop.Next("reload", func() { m.adoptConnections(next, 0) })
	m.hub.Flush()
	outcome.Swapped = time.Now()
	return outcome
}

// adoptCommands converts the arguments of delayed commands and of timers with a command to those of the next scripts, and ends
// the timers whose command these do not have.
func (m *Manager) adoptCommands(next *generation) (warnings []string) {
	for d := range m.delayed {
		warnings = append(warnings, next.adopt(&d.arguments, &d.owner, "the arguments of command "+d.command)...)
	}
	for t := range m.timers {
		if _, err := next.registry.Command(t.options.Command); err != nil {
			t.Cancel()
			warnings = append(warnings, fmt.Sprintf("the timer started at %s ends: command %q no longer exists", t.options.Source, t.options.Command))
			continue
		}
		warnings = append(warnings, next.adopt(&t.options.Arguments, &t.owner, "the arguments of timer "+t.options.Command)...)
	}
	return warnings
}

// adopt converts a value of other scripts to one of these, unless these own it. what is its name in the warning.
func (g *generation) adopt(v *wire.Value, owner *int, what string) (warnings []string) {
	before := *owner
	*owner = g.number
	if before == g.number || *v == nil {
		return nil
	}
	adopted, lost := g.application.Adopt(*v)
	*v = adopted
	if lost == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s was dropped because it belongs to the previous scripts", what, lost)}
}

// drain calls Options.Retired once the waiting handlers of a replaced generation have ended, and interrupts those that wait
// longer than Options.Drain.
func (m *Manager) drain(old *generation) {
	cancel := m.loop.After(m.options.Drain, "drain", func() {
		for t := range old.functionTimers {
			t.Cancel()
		}
		old.application.Interrupt(errReplaced)
	})
	old.application.Retire(func() {
		cancel()
		m.options.Metrics.Unregister(old.metrics.of)
		for _, c := range m.hub.All() {
			old.application.ClearSlot(c.Slot())
		}
		for t := range m.hub.EachTopic() {
			old.application.ClearSlot(t.Slot())
		}
		if m.options.Retired != nil {
			m.options.Retired(old.application)
		}
	})
}

// Limits of one turn of adoptConnections, which ends at the first one reached, but after one connection at the earliest.
const (
	// adoptBatch is a number of connections. With few fields they take about a millisecond.
	adoptBatch = 64
	// adoptTime is for connections with large fields.
	adoptTime = time.Millisecond
)

// adoptConnections converts the fields of the connections, from a number on, to values of the scripts that run, and has these
// refresh the roster. It takes a batch a turn.
func (m *Manager) adoptConnections(g *generation, from uint64) {
	if m.generation.Load() != g {
		return // a later generation adopts all of them
	}
	rest, began := m.hub.AllFrom(from), time.Now()
	done := 0
	for _, c := range rest[:min(len(rest), adoptBatch)] {
		if done > 0 && time.Since(began) >= adoptTime {
			break
		}
		done++
		c.MapValues(func(name string, v wire.Value) wire.Value {
			owner := 0
			m.warn(g.adopt(&v, &owner, "field "+name+" of client "+c.UUID()))
			return v
		})
		c.InvalidateEntry()
	}
	if len(rest) > done {
		next := rest[done].Number()
		m.loop.Next("reload", func() { m.adoptConnections(g, next) })
	}
	m.hub.Roster().Refresh()
}

// warn logs the values that could not be adopted after the swap.
func (m *Manager) warn(warnings []string) {
	for _, warning := range warnings {
		m.log.Warn("manager: reload warning", "warning", warning, "generation", m.generation.Load().number)
	}
}
