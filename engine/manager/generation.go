package manager

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"perigee/engine/manager/hub"
	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/script/module"
)

// phase is the state of a generation.
type phase int

const (
	loading   phase = iota // its registrations, timers and frames take effect at the swap
	running                // its handlers get the messages of clients
	replaced               // another generation has replaced it; its waiting handlers continue
	discarded              // it failed to load; its remaining code has no effect
)

// errReplaced is the cause with which handlers of replaced scripts are interrupted.
var errReplaced = errors.New("the scripts were reloaded")

// generation is one set of loaded scripts, with its registrations. Once it runs, only the listeners of its messages change. It
// is also the host of its scripts: effects of loading scripts are deferred until the swap.
type generation struct {
	manager     *Manager
	number      int
	application Application
	phase       phase
	registry    *registry.Registry
	metrics     handlerMetrics

	// bootTimers were started while the scripts loaded, in that order; some may have ended.
	bootTimers []*scriptTimer
	// functionTimers were started by handlers with a function, which belongs to these scripts.
	functionTimers map[*scriptTimer]struct{}

	// Collected while the scripts load, and put in force at the swap.
	worker  *module.WorkerOptions // how jobs are taken; nil if none are
	pending pendingTopics
	acts    []func()
}

func newGeneration(m *Manager, number int) *generation {
	g := &generation{
		manager: m, number: number, application: noApplication{}, functionTimers: map[*scriptTimer]struct{}{},
		metrics: newHandlerMetrics(m.options.Metrics.Generation(number)),
	}
	g.registry = registry.New(func() bool { return g.phase == loading })
	return g
}

// validate returns every fault that shows only after all has been registered.
func (g *generation) validate() error {
	faults := []error{g.registry.BindListeners()}
	for _, t := range g.bootTimers {
		if t.options.Run != nil {
			continue
		}
		if _, err := g.registry.Command(t.options.Command); err != nil {
			faults = append(faults, fmt.Errorf("timer at %s: %w", t.options.Source, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.pending.byName)) {
		if g.manager.hub.HasTopic(name) {
			faults = append(faults, fmt.Errorf("server.register: the running scripts registered topic %q while these loaded", name))
		}
	}
	return errors.Join(faults...)
}

// active returns the generation whose commands run: this one, or the one that has replaced it.
func (g *generation) active() *generation {
	if g.phase >= replaced {
		return g.manager.generation.Load()
	}
	return g
}

// do calls act, whose effect clients or other scripts notice: at the swap while these scripts load, otherwise at once.
func (g *generation) do(act func()) {
	switch g.phase {
	case loading:
		g.acts = append(g.acts, act)
	case discarded:
	default:
		act()
	}
}

// discard ends the timers and topics of scripts that will not run.
func (g *generation) discard() {
	g.phase = discarded
	for _, t := range g.bootTimers {
		t.Cancel()
	}
	for _, t := range g.pending.byName {
		t.Discard()
	}
	g.bootTimers, g.pending, g.acts = nil, pendingTopics{}, nil
}

// RosterEntry and Report implement hub.Scripts.

func (g *generation) RosterEntry(c script.Client) ([]byte, error) {
	return g.application.RosterEntry(c)
}

func (g *generation) Report(turn string, c *hub.Connection, err error) {
	g.manager.report(g.number, turn, c, err)
}
