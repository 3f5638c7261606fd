package manager

import (
	"errors"
	"fmt"

	"perigee/engine/manager/hub"
	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/script/module"
)

// phase is how far a generation has come.
type phase int

const (
	loading   phase = iota // what it registers, starts and sends is kept until the swap
	running                // it is the one that clients reach
	replaced               // by another generation; its waiting handlers go on
	discarded              // it failed to load; what is left of it has no effect
)

// errReplaced is the cause with which work ends that belongs to replaced scripts.
var errReplaced = errors.New("the scripts were reloaded")

// generation is one set of loaded scripts, with what it has registered. Once it runs, only the listeners of its messages
// change. It is also the host of its scripts: what they do while they load takes effect at the swap.
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
	worker *module.WorkerOptions // how jobs are taken; nil if none are
	topics []*hub.Topic
	acts   []func()
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
	for _, t := range g.topics {
		if g.manager.hub.HasTopic(t.Name()) {
			faults = append(faults, fmt.Errorf("server.register: the running scripts registered topic %q while these loaded", t.Name()))
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

// do does something that clients or other scripts notice: at the swap if these scripts load, else at once.
func (g *generation) do(act func()) {
	switch g.phase {
	case loading:
		g.acts = append(g.acts, act)
	case discarded:
	default:
		act()
	}
}

// discard ends what was begun by scripts that will not run.
func (g *generation) discard() {
	g.phase = discarded
	for _, t := range g.bootTimers {
		t.Cancel()
	}
	for _, t := range g.topics {
		t.Discard()
	}
	g.bootTimers, g.topics, g.acts = nil, nil, nil
}

// RosterEntry and Report implement hub.Scripts.

func (g *generation) RosterEntry(c script.Client) ([]byte, error) {
	return g.application.RosterEntry(c)
}

func (g *generation) Report(turn string, c *hub.Connection, err error) {
	g.manager.report(g.number, turn, c, err)
}
