package bind

import (
	"log/slog"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/process"
	"perigee/engine/quota"
	"perigee/engine/script/api"
	"perigee/engine/script/vm"
)

// ProcessesOptions are the options of NewProcesses.
type ProcessesOptions struct {
	VM      *vm.VM
	Turns   Turns
	Wait    api.Wait
	Starter Starter
	// Previous has the processes of the scripts to replace. A process that their boot has started keeps running if the boot of
	// these scripts starts the same one. Optional.
	Previous *Processes
	// Rehearsal means that no process is started.
	Rehearsal bool
	// Generation is the number of the program's generation, for the log.
	Generation int
	Log        *slog.Logger
}

// Turns queues turns that run code of the scripts.
type Turns interface {
	Now() time.Time
	// Defer queues a turn from within a turn, Post from another goroutine.
	Defer(name string, run func())
	Post(name string, run func()) error
	// Owner returns the owner of the present turn; As calls run on behalf of one.
	Owner() *quota.Owner
	As(o *quota.Owner, run func())
}

// Starter starts programs; its owner ends them. A process.Supervisor is one.
type Starter interface {
	// Check returns the error of Start if the settings do not allow the request.
	Check(r process.Request) error
	Start(r process.Request) (*process.Process, error)
}

var _ Starter = (*process.Supervisor)(nil)

// Processes are the processes that the scripts of one program have started.
type Processes struct {
	options   ProcessesOptions
	metatable *lua.LTable // of processes

	started bool                // the scripts run
	boot    []*child            // started while the scripts loaded, in that order
	alive   map[*child]struct{} // children whose end has not been delivered
}

// NewProcesses returns the processes of a program; there is none yet.
func NewProcesses(o ProcessesOptions) *Processes {
	return &Processes{options: o, alive: map[*child]struct{}{}}
}

// find returns the process for a child. During boot it is the process of the previous scripts with the same program and
// arguments, if there is one; otherwise it is a new one.
func (ps *Processes) find(c *child) (*process.Process, error) {
	if ps.options.Rehearsal {
		return process.NewSimulated(c.request), nil
	}
	if c.from = ps.inherited(c.request); c.from != nil {
		return c.from.process, nil
	}
	return ps.options.Starter.Start(c.request)
}

// inherited returns a boot process of the previous scripts with the same program and arguments that no other child will take
// over, or nil.
func (ps *Processes) inherited(r process.Request) *child {
	if ps.started || ps.options.Previous == nil {
		return nil
	}
	for _, old := range ps.options.Previous.boot {
		taken := slices.ContainsFunc(ps.boot, func(c *child) bool { return c.from == old })
		if _, alive := old.owner.alive[old]; alive && !taken && old.request.Name == r.Name && slices.Equal(old.request.Args, r.Args) {
			return old
		}
	}
	return nil
}

// add adds a child with its process.
func (ps *Processes) add(c *child, p *process.Process) {
	c.process = p
	if ps.options.Rehearsal {
		return
	}
	if !ps.started {
		ps.boot = append(ps.boot, c)
	}
	if c.from == nil {
		ps.alive[c] = struct{}{}
		ps.options.Turns.Defer("process "+c.name, p.DropUnwanted)
	}
}

// Started is called when the scripts start to run. It takes over the boot processes of the previous scripts that these scripts
// have started, too, and terminates the others.
func (ps *Processes) Started() {
	ps.started = true
	for _, c := range ps.boot {
		if c.from != nil {
			c.takeOver()
		}
	}
	if previous := ps.options.Previous; previous != nil {
		for _, old := range previous.boot {
			if !old.moved {
				old.process.Terminate()
			}
		}
		previous.boot = nil
	}
	ps.options.Previous = nil
}

// takeOver takes over the process of another child: it keeps running, and its events are delivered to c from now on, as is its
// end to handlers that wait for it.
func (c *child) takeOver() {
	old := c.from
	c.from, old.moved = nil, true
	c.waiting, c.over = old.waiting, old.over
	delete(old.owner.alive, old)
	c.owner.alive[c] = struct{}{}
	c.process.HandOver(c.request)
	c.owner.options.Turns.Defer("process "+c.name, c.deliver)
}

// Alive returns the number of processes whose end has not been delivered.
func (ps *Processes) Alive() int { return len(ps.alive) }

// Terminate ends all processes; no more events are delivered. Processes that have yet to be taken over keep running.
func (ps *Processes) Terminate() {
	for c := range ps.alive {
		ps.options.Log.Warn("script: process terminated because the scripts that started it have ended", "process", c.name,
			"pid", c.process.PID(), "generation", ps.options.Generation)
		c.moved = true
		c.process.HandOver(process.Request{Name: c.name})
		c.process.Terminate()
	}
	clear(ps.alive)
}
