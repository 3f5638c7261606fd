package manager

import (
	"errors"
	"fmt"
	"time"

	"perigee/engine/manager/hub"
	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// phase is how far a set of scripts has come.
type phase int

const (
	loading   phase = iota // what it registers, starts and says is gathered
	running                // it is the one that clients reach
	replaced               // by another; its handlers that wait go on
	discarded              // it has not come to run; nobody hears what is left of it
)

// errReplaced is what is wrong with work that only the scripts of this moment could do.
var errReplaced = errors.New("the scripts were reloaded")

// generation is a set of scripts and what it registered. Once installed only the listeners of its messages change.
type generation struct {
	manager     *Manager
	number      int
	application Application
	phase       phase
	registry    *registry.Registry
	measures    measures

	// boot are the timers that were started while it loaded, in that order, also those that have ended.
	boot []*work
	// loose are the timers that handlers started with a function: it cannot run anywhere else.
	loose map[*work]struct{}

	// Gathered while it loads, and done at the swap.
	jobs   *module.Work // how jobs are to be taken; nil is not at all
	topics []*hub.Topic
	acts   []func()
}

func newGeneration(m *Manager, number int) *generation {
	g := &generation{
		manager: m, number: number, application: unwritten{}, loose: map[*work]struct{}{},
		measures: newMeasures(m.options.Metrics.Generation(number)),
	}
	g.registry = registry.New(func() bool { return g.phase == loading })
	return g
}

// takeJobs notes how jobs are to be taken.
func (g *generation) takeJobs(w module.Work) error {
	if g.phase != loading {
		return fmt.Errorf("server.work: what jobs are taken is said by what is %w", registry.ErrNotLoading)
	}
	g.jobs = &w
	return nil
}

// complete returns every fault that only shows when all is registered.
func (g *generation) complete() error {
	faults := []error{g.registry.Complete()}
	for _, w := range g.boot {
		if w.options.Run != nil {
			continue
		}
		if _, err := g.registry.Command(w.options.Command); err != nil {
			faults = append(faults, fmt.Errorf("timer at %s: %w", w.options.Source, err))
		}
	}
	for _, t := range g.topics {
		if g.manager.hub.HasTopic(t.Name()) {
			faults = append(faults, fmt.Errorf("server.register: topic %q was registered by somebody else while the scripts loaded", t.Name()))
		}
	}
	return errors.Join(faults...)
}

// routes returns what is registered.
func (g *generation) routes() registry.Routes { return g.registry.Routes(g.number) }

// run runs a command within the present turn.
func (g *generation) run(name string, arguments wire.Value) (wire.Value, error) {
	c, err := g.registry.Command(name)
	if err != nil {
		return nil, err
	}
	return c.Run(arguments)
}

// RosterEntry implements hub.Scripts.
func (g *generation) RosterEntry(c script.Client) ([]byte, error) { return g.application.Roster(c) }

// Report implements hub.Scripts.
func (g *generation) Report(turn string, c *hub.Connection, err error) {
	g.manager.report(g.number, turn, c, err)
}

// do does what others notice: now, or where the scripts load at the swap.
func (g *generation) do(act func()) {
	switch g.phase {
	case loading:
		g.acts = append(g.acts, act)
	case discarded:
	default:
		act()
	}
}

// Installed is how the scripts that run were replaced.
type Installed struct {
	Before, After registry.Routes
	// Swapped is when the new scripts had taken over.
	Swapped time.Time
	// Warnings name what could not go over to the new scripts, one sentence each.
	Warnings []string
}

// install loads a set of scripts and hands it to conclude, which may put it in force; one that does not come to run leaves
// nothing behind.
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
	if next.application, err = load(&host{m, next}); err != nil {
		return err
	}
	if err := next.complete(); err != nil {
		return err
	}
	return conclude(next)
}

// discard ends what scripts that will not run have begun.
func (g *generation) discard() {
	g.phase = discarded
	for _, w := range g.boot {
		w.Cancel()
	}
	for _, t := range g.topics {
		t.Discard()
	}
	g.boot, g.topics, g.acts = nil, nil, nil
}

// swap is the moment at which the next scripts take over, one step for everybody.
func (m *Manager) swap(next *generation) Installed {
	old := m.generation.Load()
	outcome := Installed{Before: old.routes(), After: next.routes()}
	old.phase, next.phase = replaced, running
	m.generation.Store(next)
	m.options.Metrics.Register(next.measures.of)
	next.publish()
	outcome.Warnings = append(outcome.Warnings, m.adoptAll(next)...)
	outcome.Warnings = append(outcome.Warnings, old.endLoose(m.options.Drain)...)
	next.takeOver(old)
	next.application.Started()
	if m.options.Work != nil {
		m.options.Work(next.jobs)
	}
	acts := next.acts
	next.acts = nil
	for _, act := range acts {
		act()
	}
	m.drain(old)
	m.loop.Next("reload", func() { m.renew(next, 0) })
	m.settle()
	outcome.Swapped = time.Now()
	return outcome
}

// publish makes the topics that boot registered known to everybody.
func (g *generation) publish() {
	for _, t := range g.topics {
		g.manager.hub.AddTopic(t)
	}
	g.topics = nil
}

// adoptAll makes everything that waits to be run by name the next scripts'.
func (m *Manager) adoptAll(next *generation) (warnings []string) {
	for l := range m.later {
		warnings = append(warnings, next.adopt(&l.arguments, &l.by, "the arguments of command "+l.command)...)
	}
	for w := range m.timers {
		if _, err := next.registry.Command(w.options.Command); err != nil {
			w.Cancel()
			warnings = append(warnings, fmt.Sprintf("the timer that was started at %s ends: there is no command %q any more", w.options.Source, w.options.Command))
			continue
		}
		warnings = append(warnings, next.adopt(&w.options.Arguments, &w.by, "the arguments of timer "+w.options.Command)...)
	}
	return warnings
}

// adopt makes a value of other scripts one of these, unless it is already. what names it in the warning.
func (g *generation) adopt(v *wire.Value, by *int, what string) []string {
	before := *by
	*by = g.number
	if before == g.number || *v == nil {
		return nil
	}
	adopted, lost := g.application.Adopt(*v)
	*v = adopted
	if lost == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s lose %s, which belongs to the scripts before", what, lost)}
}

// drain lets go of a generation once its handlers that wait have ended, and interrupts those that wait too long.
func (m *Manager) drain(old *generation) {
	cancel := m.loop.After(m.options.Drain, "drain", func() {
		for w := range old.loose {
			w.Cancel()
		}
		old.application.Interrupt(errReplaced)
	})
	old.application.Replaced(func() {
		cancel()
		m.options.Metrics.Unregister(old.measures.of)
		for _, c := range m.hub.All() {
			old.application.Forget(c.Slot())
		}
		for _, t := range m.hub.Topics() {
			old.application.Forget(t.Slot())
		}
		if m.options.Retired != nil {
			m.options.Retired(old.application)
		}
	})
}

// Bounds of one turn of renew: whichever is reached first, but one connection at least.
const (
	// renewSlice is how many connections renew goes over: about a millisecond where their fields are few.
	renewSlice = 64
	// renewTime is after how long it leaves the rest to the next turn, as fields may also be large.
	renewTime = time.Millisecond
)

// renew goes over the connections from a number on, in small turns: their fields become values of the scripts that run now,
// and the roster shows what these say of them.
func (m *Manager) renew(g *generation, from uint64) {
	if m.generation.Load() != g {
		return // whoever came after it goes over all of them
	}
	rest, begun := m.hub.AllFrom(from), time.Now()
	done := 0
	for _, c := range rest[:min(len(rest), renewSlice)] {
		if done > 0 && time.Since(begun) >= renewTime {
			break
		}
		done++
		c.MapAttributes(func(name string, v wire.Value) wire.Value {
			by := 0
			m.crossed(g.adopt(&v, &by, "the fields "+name+" of client "+c.UUID()))
			return v
		})
		c.InvalidateEntry()
	}
	if len(rest) > done {
		next := rest[done].Number()
		m.loop.Next("reload", func() { m.renew(g, next) })
	}
	m.hub.RefreshRoster()
}
