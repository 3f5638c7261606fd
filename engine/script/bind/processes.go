package bind

import (
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/process"
)

// Processes has the processes of one program of scripts.
type Processes struct {
	options   ProcessesOptions
	metatable *lua.LTable // of processes

	started bool                // the scripts run
	boot    []*child            // started while the scripts loaded, in that order
	alive   map[*child]struct{} // whose end has not been told
}

// NewProcesses returns what starts the processes of a program.
func NewProcesses(o ProcessesOptions) *Processes {
	return &Processes{options: o, alive: map[*child]struct{}{}}
}

// find returns the process for a child: a new one, or in boot that of the boot before that was started in the same way.
func (ps *Processes) find(c *child) (*process.Process, error) {
	if ps.options.Rehearsal {
		return process.Rehearsed(c.request), nil
	}
	if c.before = ps.inherited(c.request); c.before != nil {
		return c.before.process, nil
	}
	return ps.options.Processes.Start(c.request)
}

// inherited returns a process of the boot before that runs what is asked for and that nothing has taken over yet.
func (ps *Processes) inherited(r process.Request) *child {
	if ps.started || ps.options.Before == nil {
		return nil
	}
	for _, old := range ps.options.Before.boot {
		taken := slices.ContainsFunc(ps.boot, func(c *child) bool { return c.before == old })
		if _, alive := old.owner.alive[old]; alive && !taken && old.request.Name == r.Name && slices.Equal(old.request.Args, r.Args) {
			return old
		}
	}
	return nil
}

// start begins to look after a child.
func (ps *Processes) start(c *child, p *process.Process) {
	c.process = p
	if ps.options.Rehearsal {
		return
	}
	if !ps.started {
		ps.boot = append(ps.boot, c)
	}
	if c.before == nil {
		ps.alive[c] = struct{}{}
		ps.options.Turn("process "+c.name, p.Begin)
	}
}

// Started takes over, now that the scripts run, what the boot before has left to them, and ends what it has not.
func (ps *Processes) Started() {
	ps.started = true
	for _, c := range ps.boot {
		if old := c.before; old != nil {
			c.takeOver(old)
		}
	}
	if before := ps.options.Before; before != nil {
		for _, old := range before.boot {
			if !old.moved {
				old.process.Terminate()
			}
		}
		before.boot = nil
	}
	ps.options.Before = nil
}

// takeOver puts a child in the place of another: the process goes on, and what happens to it is told to the new one from
// now on. Who waits for its end at the old one hears of it.
func (c *child) takeOver(old *child) {
	c.before, old.moved = nil, true
	c.waiting, c.over = old.waiting, old.over
	delete(old.owner.alive, old)
	c.owner.alive[c] = struct{}{}
	c.process.Hand(c.request)
	c.owner.options.Turn("process "+c.name, c.deliver)
}

// Alive returns how many processes have not ended.
func (ps *Processes) Alive() int { return len(ps.alive) }

// Terminate ends all processes; the scripts do not hear of it. Those that were found, but not taken over yet, go on.
func (ps *Processes) Terminate() {
	for c := range ps.alive {
		ps.options.Log.Warn("script: a process ends with the scripts that started it", "process", c.name, "pid", c.process.PID(),
			"generation", ps.options.Generation)
		c.moved = true
		c.process.Hand(process.Request{Name: c.name})
		c.process.Terminate()
	}
	clear(ps.alive)
}
