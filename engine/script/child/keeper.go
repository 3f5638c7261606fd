package child

import (
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/process"
)

// Keeper has the processes of one program of scripts.
type Keeper struct {
	options   Options
	metatable *lua.LTable // of processes

	started bool                // the scripts run
	boot    []*child            // started while the scripts loaded, in that order
	alive   map[*child]struct{} // whose end has not been told
}

// New returns what starts the processes of a program.
func New(o Options) *Keeper { return &Keeper{options: o, alive: map[*child]struct{}{}} }

// find returns the process for a child: a new one, or in boot that of the boot before that was started in the same way.
func (k *Keeper) find(c *child) (*process.Process, error) {
	if k.options.Rehearsal {
		return process.Rehearsed(c.request), nil
	}
	if c.before = k.inherited(c.request); c.before != nil {
		return c.before.process, nil
	}
	return k.options.Processes.Start(c.request)
}

// inherited returns a process of the boot before that runs what is asked for and that nothing has taken over yet.
func (k *Keeper) inherited(r process.Request) *child {
	if k.started || k.options.Before == nil {
		return nil
	}
	for _, old := range k.options.Before.boot {
		taken := slices.ContainsFunc(k.boot, func(c *child) bool { return c.before == old })
		if _, alive := old.keeper.alive[old]; alive && !taken && old.request.Name == r.Name && slices.Equal(old.request.Args, r.Args) {
			return old
		}
	}
	return nil
}

// start begins to look after a child.
func (k *Keeper) start(c *child, p *process.Process) {
	c.process = p
	if k.options.Rehearsal {
		return
	}
	if !k.started {
		k.boot = append(k.boot, c)
	}
	if c.before == nil {
		k.alive[c] = struct{}{}
		k.options.Turn("process "+c.name, p.Begin)
	}
}

// Started takes over, now that the scripts run, what the boot before has left to them, and ends what it has not.
func (k *Keeper) Started() {
	k.started = true
	for _, c := range k.boot {
		if old := c.before; old != nil {
			c.takeOver(old)
		}
	}
	if before := k.options.Before; before != nil {
		for _, old := range before.boot {
			if !old.moved {
				old.process.Terminate()
			}
		}
		before.boot = nil
	}
	k.options.Before = nil
}

// takeOver puts a child in the place of another: the process goes on, and what happens to it is told to the new one from
// now on. Who waits for its end at the old one hears of it.
func (c *child) takeOver(old *child) {
	c.before, old.moved = nil, true
	c.waiting, c.over = old.waiting, old.over
	delete(old.keeper.alive, old)
	c.keeper.alive[c] = struct{}{}
	c.process.Hand(c.request)
	c.keeper.options.Turn("process "+c.name, c.deliver)
}

// Alive returns how many processes have not ended.
func (k *Keeper) Alive() int { return len(k.alive) }

// Terminate ends all processes; the scripts do not hear of it. Those that were found, but not taken over yet, go on.
func (k *Keeper) Terminate() {
	for c := range k.alive {
		k.options.Log.Warn("script: a process ends with the scripts that started it", "process", c.name, "pid", c.process.PID(),
			"generation", k.options.Generation)
		c.moved = true
		c.process.Hand(process.Request{Name: c.name})
		c.process.Terminate()
	}
	clear(k.alive)
}
