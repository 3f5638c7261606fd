package manager

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"perigee/engine/loop"
	"perigee/engine/script"
)

// scriptTimer is a timer that scripts have started.
type scriptTimer struct {
	*loop.Timer
	options script.TimerOptions
	owner   int // the number of the generation that the arguments belong to
}

// Timer starts a timer. One that is started while the scripts load runs from the swap on. A timer with a command
// belongs to the scripts that run, whichever they are; a timer with a function belongs to the scripts that have the function.
func (g *generation) Timer(o script.TimerOptions) (script.Timer, error) {
	if g.phase >= replaced && o.Run != nil {
		return nil, fmt.Errorf("timer at %s: %w: now only a timer with the name of a command can be started", o.Source, errReplaced)
	}
	m, t := g.manager, &scriptTimer{options: o, owner: g.number}
	if o.Run == nil && g.phase != loading { // while scripts load, validate checks the command afterwards
		if _, err := g.active().registry.Command(o.Command); err != nil {
			return nil, err
		}
	}
	options := loop.TimerOptions{Name: o.Name, Every: o.Every, Once: o.Once, Timeout: o.Timeout, OnEnd: o.Ended}
	options.Run = func() { m.runTimer(t) }
	if o.Run != nil {
		options.Run = func() { g.runTimer(t) }
	}
	switch {
	case g.phase == loading:
		g.bootTimers = append(g.bootTimers, t)
		t.Timer = loop.NewTimer(m.loop, options)
		return t, nil
	case o.Run != nil:
		g.functionTimers[t] = struct{}{}
		options.OnEnd = func() {
			delete(g.functionTimers, t)
			if o.Ended != nil {
				o.Ended()
			}
		}
	case g.phase == discarded:
		return nil, errReplaced
	default:
		m.timers[t] = struct{}{}
		options.OnEnd = func() { delete(m.timers, t) }
	}
	t.Timer = loop.NewTimer(m.loop, options)
	t.Start()
	return t, nil
}

// runTimer runs the command of a timer, that of the scripts that run now.
func (m *Manager) runTimer(t *scriptTimer) {
	g := m.generation.Load()
	m.warn(g.adopt(&t.options.Arguments, &t.owner, "the arguments of timer "+t.options.Command))
	if _, err := g.Run(t.options.Command, t.options.Arguments); err != nil {
		m.fail(g.number, "timer "+t.options.Name, nil, "", fmt.Errorf("timer at %s: %w", t.options.Source, err))
	}
	m.hub.Flush()
}

// runTimer runs the function of a timer.
func (g *generation) runTimer(t *scriptTimer) {
	if err := runCounted(g.metrics.timer(t.options.Name), t.options.Run); err != nil {
		g.manager.fail(g.number, "timer "+t.options.Name, nil, "", err)
	}
	g.manager.hub.Flush()
}

// timerKey identifies a boot timer over a reload: a new timer takes over from the previous one with the same key.
type timerKey struct {
	command, file string
	every         time.Duration // 0 for a command, whose name is enough
	once          bool
}

func (t *scriptTimer) key() timerKey {
	if t.options.Run == nil {
		return timerKey{command: t.options.Command, once: t.options.Once}
	}
	file := t.options.Source[:max(0, strings.LastIndexByte(t.options.Source, ':'))]
	return timerKey{file: file, every: t.options.Every, once: t.options.Once}
}

// startBootTimers starts the timers of boot. Each takes over from the previous scripts' timer with the same key; of several
// with the same key, from the one at its position. All other boot timers of the previous scripts end.
func (g *generation) startBootTimers(old *generation) {
	before := map[timerKey][]*scriptTimer{}
	for _, t := range old.bootTimers {
		before[t.key()] = append(before[t.key()], t)
	}
	for _, t := range g.bootTimers {
		if same := before[t.key()]; len(same) > 0 {
			t.TakeOver(same[0].Timer)
			before[t.key()] = same[1:]
		}
	}
	for _, t := range old.bootTimers {
		t.Cancel()
	}
	old.bootTimers = nil
	for _, t := range g.bootTimers {
		t.Start()
	}
}

// endFunctionTimers ends the timers that handlers started with a function, except those whose only run is due within drain.
func (g *generation) endFunctionTimers(drain time.Duration) (warnings []string) {
	for t := range g.functionTimers {
		if left, scheduled := t.Due(); t.options.Once && scheduled && left <= drain {
			continue
		}
		t.Cancel()
		warnings = append(warnings, fmt.Sprintf("the timer started at %s ends because its function belongs to the previous scripts; a timer with the name of a command continues over reloads", t.options.Source))
	}
	return warnings
}

// TimerStatus is a timer that scripts have started.
type TimerStatus struct {
	Name   string  `json:"name"`   // the command, or the place of the function
	Source string  `json:"source"` // where it was started
	Every  float64 `json:"every"`  // seconds
	Once   bool    `json:"once"`
	Due    float64 `json:"due"` // seconds until the next run, or until it once it is not paused; negative while a run is late
	Count  int     `json:"count"`
	Paused bool    `json:"paused"`
}

// Timers returns the timers that have not ended, in the order of their names. It waits for its turn at most until ctx ends.
func (m *Manager) Timers(ctx context.Context) ([]TimerStatus, error) {
	all, err := loop.Ask(ctx, m.loop, "console", func() []TimerStatus {
		g := m.generation.Load()
		timers := slices.Concat(g.bootTimers, slices.Collect(maps.Keys(g.functionTimers)), slices.Collect(maps.Keys(m.timers)))
		all := []TimerStatus{}
		for _, t := range timers {
			if t.Running() || t.Paused() {
				all = append(all, t.status())
			}
		}
		return all
	})
	slices.SortFunc(all, func(a, b TimerStatus) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Source, b.Source))
	})
	return all, err
}

func (t *scriptTimer) status() TimerStatus {
	return TimerStatus{
		Name: t.options.Name, Source: t.options.Source, Every: t.options.Every.Seconds(), Once: t.options.Once, Due: t.Left().Seconds(),
		Count: t.Count(), Paused: t.Paused(),
	}
}
