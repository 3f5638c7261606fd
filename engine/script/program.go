// Package script is the Lua host: it loads the scripts of an application into a Lua machine, gives them the server as
// modules to require, and calls their handlers and hooks. It sees no socket: all that scripts can do to the server goes
// through Host.
//
// Everything here happens on the loop, except Decode and Watch, and what is said to be otherwise.
package script

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/config"
	"perigee/engine/fetch"
	"perigee/engine/loop"
	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/loader"
	"perigee/engine/script/module"
	"perigee/engine/script/promise"
	"perigee/engine/script/store"
	"perigee/engine/script/value"
	"perigee/engine/script/vm"
	"perigee/engine/wire"
)

// Options are what a generation of scripts is loaded with.
type Options struct {
	// Folder is where modules are looked for first; "" is nowhere. Shown is how errors name it: "scripts".
	Folder, Shown string
	// Builtin holds the modules of the binary.
	Builtin fs.FS
	// Manager is the name of the module that returns the manager.
	Manager string
	// Named is where that name stands, to begin an error with: "server.toml:12: lua.manager".
	Named string
	// App is what scripts read as server.config.
	App map[string]any
	// Generation is the number of this set of scripts, 1 at the start; From is that of the scripts that they shall replace,
	// 0 where they are the first.
	Generation, From int
	// Before are the scripts that these shall replace; nil where they are the first, and in a rehearsal.
	Before *Program
	// Sources have what was read of the scripts already, and keep what is read; nil is none.
	Sources *loader.Sources
	// Schemas have what was compiled already, and keep what is compiled; nil is none.
	Schemas *Schemas
	// Rehearsal tells that these scripts will never run: nothing is done that would be noticed outside.
	Rehearsal bool
	// Store keeps the tables of server.state.
	Store *store.Store
	// Borrow begins to copy a table of the scripts that run, for the Store of a rehearsal; done is called from any goroutine,
	// with nil where there is no such table. Where Borrow is nil the Store has all there is.
	Borrow func(name string, done func(l *store.Copy)) (callOff func())
	Log    *slog.Logger

	// TurnTimeout is how long a turn may hold the loop, BootTimeout the same for loading and boot; 0 is for ever.
	TurnTimeout, BootTimeout time.Duration
	// BootWait is how long loading and boot may last together, waiting included; 0 is for ever.
	BootWait time.Duration
	// Stuck is called from another goroutine when a turn could not be stopped and holds the loop for good; nil is nobody.
	Stuck func(held time.Duration)
	// AwaitTimeout is how long a handler may wait for one thing; 0 is for ever.
	AwaitTimeout time.Duration
	// Memory is the size of the heap, in bytes, above which a running turn is stopped; 0 is no limit.
	Memory uint64
	// JSON bounds what clients send.
	JSON value.Limits

	// Runs is told on the loop, with Generation, whenever these scripts begin to run or go on; nil is nobody.
	Runs func(generation int)
	// Await suspends the turn that calls it, as loop.Loop has it.
	Await func(start func(wake func())) error
	// Next runs a turn after those that are queued already, as loop.Loop has it.
	Next func(name string, run func())
	// Room tells, by an error, that the scripts have put off too many turns, as loop.Loop has it.
	Room func() error
	// Post hands the loop a turn from another goroutine, as loop.Loop has it.
	Post func(name string, run func()) error
	// Rouse has those whose waits are over go on right after the present turn, as loop.Loop has it.
	Rouse func()
	// Fetch begins a request, as fetch.Client has it.
	Fetch func(r fetch.Request, done func(fetch.Response, error)) (cancel func())
	// Push begins to put a job on the queue. done is called once, by any goroutine, unless cancel was called before.
	Push      func(j module.Push, done func(id uint64, err error)) (cancel func())
	Processes bind.Starter
	// After calls back on any goroutine, as loop.Clock has it.
	After func(d time.Duration, f func()) (stop func() bool)
}

// Program is a generation of scripts that has been loaded and booted.
type Program struct {
	options Options
	host    Host
	vm      *vm.VM
	loader  *loader.Loader
	manager *lua.LTable
	hooks   map[string]lua.LValue // of the manager, by name; functions only

	// Metatables of what scripts hold in their hands.
	timers, listeners, handles *lua.LTable

	audience *bind.Clients
	promises *promise.Keeper
	children *bind.Processes
	requests *module.HTTP
	lines    *module.Lines

	app lua.LValue // server.config

	adoption *value.Renewer // of the swap; afterwards each value has one of its own

	kept     int    // timers and turns to come that keep the program from its end
	loaded   bool   // Load has ended
	started  bool   // these scripts have taken over from others
	greeted  bool   // it was said that no client is told who it is
	replaced bool   // other scripts have taken over
	done     func() // what is called once nothing is left then; nil before, and after that
}

// New makes a machine with the server's modules in it, and no script yet. The owner runs Watch, calls Load once, and Close
// in the end.
func New(o Options, host Host) (*Program, error) {
	if o.Sources == nil {
		o.Sources = loader.NewSources()
	}
	if o.Schemas == nil {
		o.Schemas = &Schemas{}
	}
	var before *bind.Processes
	if o.Before != nil {
		before = o.Before.children
		o.Before = nil // what is made here must not hold on to it
	}
	p := &Program{options: o, host: host, hooks: map[string]lua.LValue{}}
	p.lines = module.NewLines(o.Log, o.Generation, host.Now)
	machine := vm.Options{
		TurnTimeout: o.TurnTimeout,
		Memory:      o.Memory,
		Stuck:       o.Stuck,
		Print:       p.lines.Print,
		Now:         host.Now,
		Await:       o.Await,
		Stopped:     loop.ErrStopped,
	}
	if o.Await != nil {
		machine.Await = p.await
	}
	p.vm = vm.New(machine)
	p.furnish(before)
	for _, k := range p.kinds() {
		k.Open(p.vm.State())
	}
	p.audience.Open(p.vm.State())
	if err := p.openModules(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// furnish makes what scripts reach and other packages have. before has the processes of the scripts before.
func (p *Program) furnish(before *bind.Processes) {
	o := p.options
	p.promises = promise.New(promise.Options{
		VM: p.vm, Timeout: o.AwaitTimeout, Generation: o.Generation, Log: o.Log,
		Next:  o.Next,
		Turn:  p.next,
		Room:  o.Room,
		Post:  o.Post,
		Rouse: o.Rouse,
		After: o.After,
		Now:   func() time.Time { return p.host.Now() },
	})
	p.audience = bind.NewClients(p.host, p.promises.Wait)
	p.children = bind.NewProcesses(bind.ProcessesOptions{
		VM: p.vm, Generation: o.Generation, Log: o.Log, Processes: o.Processes,
		Now:  func() time.Time { return p.host.Now() },
		Turn: p.next,
		Post: func(name string, run func()) error { return o.Post(name, p.turn(run)) },
		Wait: p.promises.Wait, Rehearsal: o.Rehearsal, Before: before,
	})
	p.requests = module.NewHTTP(module.HTTPOptions{
		Log: o.Log, Depth: o.JSON.Depth, Wait: p.promises.Wait, Fetch: o.Fetch,
	})
}

// runs tells that these scripts run now.
func (p *Program) runs() {
	if p.options.Runs != nil {
		p.options.Runs(p.options.Generation)
	}
}

// await is Options.Await for the machine.
func (p *Program) await(start func(wake func())) error {
	defer p.runs()
	return p.options.Await(start)
}

// turn returns a turn that ends as every turn of the scripts does.
func (p *Program) turn(run func()) func() {
	return func() {
		defer p.look()
		defer p.host.Roster()
		p.runs()
		run()
	}
}

// next runs a turn of the scripts after those that are queued already.
func (p *Program) next(name string, run func()) {
	p.kept++
	turn := p.turn(run)
	p.options.Next(name, func() {
		p.kept--
		turn()
	})
}

// Watch stops turns that hold the loop too long or use too much memory, until ctx ends. It runs on a goroutine of its own.
func (p *Program) Watch(ctx context.Context) { p.vm.Watch(ctx) }

// meant adds the module to err that may be meant where there is no manager of the name.
func (p *Program) meant(err error) error {
	if meant := config.Nearest(p.options.Manager, p.loader.Top()); meant != "" {
		return fmt.Errorf("%w; did you mean %q?", err, meant)
	}
	return err
}

// Load runs the manager's module and its boot, which register messages, commands, listeners and timers with the host, and
// where these scripts shall replace others its migrate. The error names file and line. A Program whose Load failed can only
// be closed.
func (p *Program) Load() error {
	defer p.look()
	late := false
	if limit := p.options.BootWait; limit > 0 {
		stop := p.options.After(limit, func() {
			_ = p.options.Post("boot", func() { // a loop that has ended has ended the wait
				if p.loaded {
					return
				}
				late = true
				p.promises.Interrupt(fmt.Errorf("loading takes longer than lua.boot_timeout, %s", limit))
			})
		})
		defer stop()
	}
	migrating := false
	boot := p.vm.State().NewFunction(func(L *lua.LState) int {
		p.bootManager(L)
		if migrate, ok := p.hooks["migrate"]; ok && p.options.From > 0 {
			migrating = true
			L.Push(migrate)
			L.Push(p.manager)
			L.Push(lua.LNumber(p.options.From))
			L.Call(2, 0)
		}
		return 0
	})
	call := &api.Call{Name: "boot", Limit: "lua.boot_timeout"}
	if p.options.From > 0 {
		call.Limit = "lua.turn_timeout, since others are served meanwhile"
	}
	_, err := call.Run(p.vm, p.options.BootTimeout, boot)
	if err != nil && migrating {
		err = fmt.Errorf("migrate: %w", err) // of scripts that may boot without a fault where nothing is replaced
	}
	if err == nil && late {
		return fmt.Errorf("script: loading took longer than lua.boot_timeout, %s", p.options.BootWait)
	}
	p.loaded = true
	return err
}

// bootManager requires the manager's module, runs its boot and notes its other hooks. It runs within Load's protected call,
// and raises what is wrong.
func (p *Program) bootManager(L *lua.LState) {
	if p.loader.Has(p.options.Manager) {
		L.RaiseError("%s: the manager cannot be called %q: that is a module of the server", p.options.Named, p.options.Manager)
	}
	if err := p.loader.Find(p.options.Manager); err != nil {
		L.RaiseError("%s: %s", p.options.Named, p.meant(err))
	}
	manager, ok := p.loader.Require(L, p.options.Manager).(*lua.LTable)
	if !ok {
		L.RaiseError("module %q must return its manager: local manager = require(\"manager\"):extend() ... return manager", p.options.Manager)
	}
	p.manager = manager
	if boot, ok := L.GetField(manager, "boot").(*lua.LFunction); ok {
		L.Push(boot)
		L.Push(manager)
		L.Call(1, 0)
	}
	for _, h := range hooks() {
		switch hook := L.GetField(manager, h.Name).(type) {
		case *lua.LFunction:
			if wrong := dotted(h, hook); wrong != "" {
				L.RaiseError("%s", wrong)
			}
			p.hooks[h.Name] = hook
		case *lua.LNilType:
		default:
			L.RaiseError("manager.%s is a %s; it must be a function", h.Name, hook.Type())
		}
	}
	p.doubt()
}

// Abort gives the scripts no more time: what runs ends now, and what begins ends at once. Any goroutine may call it.
func (p *Program) Abort() { p.vm.Abort() }

// Close gives back what the machine holds. It is called on the loop once nothing of the program is left, or after the loop
// has ended.
func (p *Program) Close() {
	p.vm.Close()
	if p.loader != nil {
		p.loader.Close()
	}
}

var _ wire.Object = value.Value{} // so that a frame is read once

// Decode turns the text of a frame into what handlers get. Any goroutine may call it.
func (p *Program) Decode(text []byte) (wire.Value, error) {
	v, err := value.Decode(text, p.options.JSON, nil)
	if err != nil {
		return nil, err
	}
	return value.Value{LValue: v}, nil
}

// Within calls run. When ctx ends, what a handler that run calls waits for is called off: that wait, and every later one, is
// an error with the cause of ctx.
func (p *Program) Within(ctx context.Context, run func()) { p.promises.Within(ctx, run) }

// call runs a function of the scripts as one protected call.
func (p *Program) call(c *api.Call, fn lua.LValue, args ...lua.LValue) (lua.LValue, error) {
	defer p.look()
	p.runs()
	return c.Run(p.vm, 0, fn, args...)
}
