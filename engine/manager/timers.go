package manager

import (
	"fmt"
	"strings"
	"time"

	"perigee/engine/loop"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// work is a timer that scripts have started.
type work struct {
	*loop.Timer
	options script.TimerOptions
	by      int // the generation that the arguments belong to
}

// startTimer starts one; where the scripts load, at the swap. What runs a command belongs to whatever scripts run, what runs a
// function to those that it is written in.
func (g *generation) startTimer(o script.TimerOptions) (*work, error) {
	if g.phase >= replaced && o.Run != nil {
		return nil, fmt.Errorf("manager: timer at %s: %w: only the name of a command can be given any more", o.Source, errReplaced)
	}
	m, w := g.manager, &work{options: o, by: g.number}
	if o.Run == nil && g.phase != loading { // where scripts load, complete looks for the command
		if _, err := g.current().registry.Command(o.Command); err != nil {
			return nil, err
		}
	}
	options := loop.TimerOptions{Name: o.Name, Every: o.Every, Once: o.Once, Timeout: o.Timeout, OnEnd: o.Ended}
	options.Run = func() { m.runTimer(w) }
	if o.Run != nil {
		options.Run = func() { g.runTimer(w) }
	}
	switch {
	case g.phase == loading:
		g.boot = append(g.boot, w)
		w.Timer = loop.NewTimer(m.loop, options)
		return w, nil
	case o.Run != nil:
		g.loose[w] = struct{}{}
		options.OnEnd = func() {
			delete(g.loose, w)
			if o.Ended != nil {
				o.Ended()
			}
		}
	case g.phase == discarded:
		return nil, errReplaced
	default:
		m.timers[w] = struct{}{}
		options.OnEnd = func() { delete(m.timers, w) }
	}
	w.Timer = loop.NewTimer(m.loop, options)
	w.Start()
	return w, nil
}

// runTimer runs the command of a timer, which is that of the scripts that run now.
func (m *Manager) runTimer(w *work) {
	g := m.generation.Load()
	m.crossed(g.adopt(&w.options.Arguments, &w.by, "the arguments of timer "+w.options.Command))
	if _, err := g.run(w.options.Command, w.options.Arguments); err != nil {
		m.fail(g.number, "timer "+w.options.Name, nil, "", fmt.Errorf("timer at %s: %w", w.options.Source, err))
	}
	m.settle()
}

// runTimer runs the function of a timer.
func (g *generation) runTimer(w *work) {
	if err := measured(g.measures.timer(w.options.Name), w.options.Run); err != nil {
		g.manager.fail(g.number, "timer "+w.options.Name, nil, "", err)
	}
	g.manager.settle()
}

// kin is what a timer of boot has in common with the one of the boot before that it takes over from.
type kin struct {
	command, file string
	every         time.Duration // of a function only: the name of a command says enough
	once          bool
}

func (w *work) kin() kin {
	if w.options.Run == nil {
		return kin{command: w.options.Command, once: w.options.Once}
	}
	file := w.options.Source[:max(0, strings.LastIndexByte(w.options.Source, ':'))]
	return kin{file: file, every: w.options.Every, once: w.options.Once}
}

// takeOver starts the timers of boot, each in the place of its like of the boot before, by their order. Those of the boot
// before end.
func (g *generation) takeOver(old *generation) {
	before := map[kin][]*work{}
	for _, w := range old.boot {
		before[w.kin()] = append(before[w.kin()], w)
	}
	for _, w := range g.boot {
		if same := before[w.kin()]; len(same) > 0 {
			w.TakeOver(same[0].Timer)
			before[w.kin()] = same[1:]
		}
	}
	for _, w := range old.boot {
		w.Cancel()
	}
	old.boot = nil
	for _, w := range g.boot {
		w.Start()
	}
}

// endLoose ends the timers that handlers started with a function, but for those whose only run is due soon.
func (g *generation) endLoose(drain time.Duration) (warnings []string) {
	for w := range g.loose {
		if left, set := w.Due(); w.options.Once && set && left <= drain {
			continue
		}
		w.Cancel()
		warnings = append(warnings, fmt.Sprintf("the timer that was started at %s ends, because its function belongs to the scripts before: name a command, and it survives reloads", w.options.Source))
	}
	return warnings
}

// later is a command that is to run in a turn of its own, by whatever scripts run then.
type later struct {
	command   string
	arguments wire.Value
	by        int // the generation that the arguments belong to
	cancel    func()
	aborted   bool
}

// current is the generation whose commands run later: these scripts, unless others have taken over.
func (g *generation) current() *generation {
	if g.phase >= replaced {
		return g.manager.generation.Load()
	}
	return g
}

// put has a command run later.
func (g *generation) put(command string, arguments wire.Value, schedule func(run func()) (cancel func())) (abort func(), err error) {
	m := g.manager
	if _, err := g.current().registry.Command(command); err != nil {
		return nil, err
	}
	l := &later{command: command, arguments: arguments, by: g.number, cancel: func() {}}
	g.do(func() {
		if !l.aborted {
			m.later[l] = struct{}{}
			l.cancel = schedule(func() { m.perform(l) })
		}
	})
	return func() {
		l.aborted = true
		l.cancel()
		delete(m.later, l)
	}, nil
}

// perform runs a command as a turn of its own.
func (m *Manager) perform(l *later) {
	if l.aborted {
		return
	}
	delete(m.later, l)
	g := m.generation.Load()
	m.crossed(g.adopt(&l.arguments, &l.by, "the arguments of command "+l.command))
	if _, err := g.run(l.command, l.arguments); err != nil {
		m.fail(g.number, "command "+l.command, nil, "", err)
	}
	m.settle()
}

// crossed logs what could not go over to other scripts after these have begun to run.
func (m *Manager) crossed(warnings []string) {
	for _, warning := range warnings {
		m.log.Warn("manager: reload", "warning", warning, "generation", m.generation.Load().number)
	}
}
