// Package script owns the Lua application: it loads the scripts into a Lua machine, gives them the server's modules, and calls
// their handlers and hooks. It must not know sockets: scripts reach the server only through Host.
//
// Everything here happens on the loop, unless a comment says otherwise.
package script

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/fetch"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/script/bind"
	"perigee/engine/script/loader"
	"perigee/engine/script/module"
	"perigee/engine/script/promise"
	"perigee/engine/script/store"
	"perigee/engine/script/value"
	"perigee/engine/script/vm"
	"perigee/engine/wire"
)

// Loop is the loop that runs the scripts.
type Loop interface {
	scriptLoop
	// Next queues a turn of the server, which must run, from within a turn.
	Next(name string, run func())
}

// scriptLoop is the part of a loop that runs code of the scripts.
type scriptLoop interface {
	promise.Loop
	// Await suspends the present turn until wake is called, by any goroutine.
	Await(start func(wake func())) error
}

var _ Loop = (*loop.Loop)(nil)

// Options are the options of a program.
type Options struct {
	// Loop runs the scripts.
	Loop Loop
	// Dir is searched first for modules; "" means no directory. DirName is its name in errors: "scripts".
	Dir, DirName string
	// Builtin holds the modules of the binary.
	Builtin fs.FS
	// Manager is the name of the module that returns the manager. ManagerSetting is where that name is set, for errors:
	// "server.toml:12: lua.manager".
	Manager, ManagerSetting string
	// App is the table that scripts read as server.config.
	App map[string]any
	// Generation is the number of this generation, 1 at the start. From is that of the generation to replace; 0 means none.
	Generation, From int
	// Replaces is the program to replace. It is nil if there is none, and in a rehearsal.
	Replaces *Program
	// Sources and Schemas hold modules that have been read, and schemas that have been compiled, already. New and Load add
	// those that they read and compile. Optional.
	Sources *loader.Sources
	Schemas *Schemas
	// Lint is where Load logs a warning for each name in the scripts that nothing defines. If it is nil, Load does not look for them.
	Lint *slog.Logger
	// Rehearsal means that these scripts will never run: they have no effect outside.
	Rehearsal bool
	// Store holds the tables of server.state. Audit looks for values in them that cannot be saved. Optional.
	Store *store.Store
	Audit *store.Audit
	// CopyState starts to copy a table of the running scripts into the Store of a rehearsal. done is called by any goroutine,
	// with nil if there is no such table. If CopyState is nil, the Store is complete.
	CopyState func(name string, done func(l *store.Copy)) (cancel func())
	Log       *slog.Logger
	// Refusals logs frames that exceed JSON. Optional.
	Refusals *logging.Refusals

	// TurnTimeout bounds the time for which a turn may hold the loop, BootTimeout the same for loading and boot; 0 means no limit.
	TurnTimeout, BootTimeout time.Duration
	// BootWait bounds the total time of loading and boot, waits included; 0 means no limit.
	BootWait time.Duration
	// OnHang is called by another goroutine if a turn cannot be aborted and holds the loop for good. Optional.
	OnHang func(held time.Duration)
	// AwaitTimeout bounds each wait of a handler; 0 means no limit.
	AwaitTimeout time.Duration
	// Memory is the size of the heap, in bytes, above which a running turn is aborted; 0 means no limit.
	Memory uint64
	// JSON has the limits for frames of clients.
	JSON value.Limits

	// OnRun is called on the loop, with Generation, whenever code of these scripts starts or resumes. Optional.
	OnRun func(generation int)
	// Fetch starts a request to another server, as fetch.Client does.
	Fetch func(r fetch.Request, done func(fetch.Response, error)) (cancel func())
	// Push starts to put a job on the queue. done is called once, by any goroutine, unless cancel was called before.
	Push func(j module.Push, done func(id uint64, err error)) (cancel func())
	// Processes starts programs.
	Processes bind.Starter
}

// Program is one generation of scripts. Its lifetime, its hooks and the adoption of values are types of their own, whose
// methods are also those of Program.
type Program struct {
	*lifetime // with the machine, the promises and the processes
	*hooks
	*adoption

	options  Options
	loader   *loader.Loader
	turns    *turns
	clients  *bind.Clients
	requests *module.HTTP
	log      *module.Log
	server   *server
}

// New makes a Lua machine with the server's modules and without any script. The owner runs Watch, calls Load once, and Close
// in the end.
func New(o Options, host Host) (*Program, error) {
	if o.Sources == nil {
		o.Sources = loader.NewSources()
	}
	if o.Schemas == nil {
		o.Schemas = &Schemas{}
	}
	p := newProgram(o, host)
	for _, k := range p.kinds() {
		k.Open(p.vm.State())
	}
	p.clients.Open(p.vm.State())
	if err := p.openModules(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// newProgram makes the parts of a program.
func newProgram(o Options, host Host) *Program {
	var previous *bind.Processes
	if o.Replaces != nil {
		previous = o.Replaces.processes
		o.Replaces = nil // so that the new program does not keep the old one in memory
	}
	p := &Program{options: o, lifetime: &lifetime{}, log: module.NewLog(o.Log, o.Generation, o.Loop.Now)}
	p.turns = &turns{scriptLoop: o.Loop, host: host, lifetime: p.lifetime, generation: o.Generation, onRun: o.OnRun}
	p.vm = vm.New(vm.Options{
		TurnTimeout: o.TurnTimeout, Memory: o.Memory, OnHang: o.OnHang,
		Print: p.log.Print, Now: o.Loop.Now, Await: p.turns.Await, Stopped: loop.ErrStopped, OnRun: p.noteRun,
	})
	p.promises = promise.New(promise.Options{
		VM: p.vm, Loop: o.Loop, Turn: p.turns.Defer, Timeout: o.AwaitTimeout, Generation: o.Generation, Log: o.Log,
	})
	p.processes = bind.NewProcesses(bind.ProcessesOptions{
		VM: p.vm, Turns: p.turns, Wait: p.promises.Wait, Starter: o.Processes, Previous: previous, Rehearsal: o.Rehearsal,
		Generation: o.Generation, Log: o.Log,
	})
	p.clients = bind.NewClients(host, p.promises.Wait, o.Log)
	p.requests = module.NewHTTP(module.HTTPOptions{
		Log: o.Log, Wait: p.promises.Wait, Owner: o.Loop.Owner, Fetch: o.Fetch,
		JSON: value.Limits{Depth: o.JSON.Depth, BigText: o.JSON.BigText}, // the size of a body already limits the number of keys
	})
	p.hooks = &hooks{turns: p.turns, clients: p.clients, log: o.Log, managerName: o.Manager, functions: map[string]lua.LValue{}}
	p.adoption = &adoption{clients: p.clients}
	p.server = &server{options: o, host: host, turns: p.turns, clients: p.clients, promises: p.promises, processes: p.processes}
	return p
}

// Watch aborts turns that hold the loop too long or use too much memory, until ctx ends. It runs on a goroutine of its own.
func (p *Program) Watch(ctx context.Context) { p.vm.Watch(ctx) }

// Abort aborts the code of the scripts that runs, and all later code as soon as it begins. Any goroutine may call it.
func (p *Program) Abort() { p.vm.Abort() }

// Close releases the machine. It is called on the loop once nothing of the program is left, or after the loop has ended.
func (p *Program) Close() {
	p.vm.Close()
	if p.loader != nil {
		p.loader.Close()
	}
}

// Source returns the text of the file that a place names, as it was loaded; nil if there is none. It is called on the loop.
func (p *Program) Source(file string) []byte { return p.loader.Text(file) }

var _ wire.Object = value.Value{} // so that the text of a frame is parsed once

// Decode returns the text of a frame as the value that handlers get. Any goroutine may call it.
func (p *Program) Decode(text []byte) (wire.Value, error) {
	v, err := value.Decode(text, p.options.JSON, nil)
	if err != nil {
		if exceeded, ok := errors.AsType[*value.LimitError](err); ok && exceeded.Depth {
			p.options.Refusals.Log("limits.json_depth", p.options.JSON.Depth)
		} else if ok && exceeded.Keys {
			p.options.Refusals.Log("limits.json_keys", p.options.JSON.Keys)
		}
		return nil, err
	}
	return value.Value{LValue: v}, nil
}

// DecodeField returns the JSON of a client's field as the value that scripts have set.
func (p *Program) DecodeField(text []byte) (wire.Value, error) {
	v, err := value.Decode(text, value.Limits{}, value.Null())
	if err != nil {
		return nil, err
	}
	return value.Value{LValue: v, Text: bind.MaxAttribute}, nil
}

// EncodeData returns the JSON of a value that bind.Client.Data holds, from which DecodeData makes the same value.
func (p *Program) EncodeData(v wire.Value) ([]byte, error) {
	held, ok := v.(value.Value)
	if !ok {
		return nil, fmt.Errorf("script: encode data: a %T is not a value of Lua", v)
	}
	return value.Save(nil, held.LValue, bind.MaxData)
}

// DecodeData returns the value of a text of EncodeData.
func (p *Program) DecodeData(text []byte) (wire.Value, error) {
	v, err := value.Restore(text)
	if err != nil {
		return nil, err
	}
	return value.Value{LValue: v}, nil
}

// RunWithin calls run. When ctx ends, the wait of a handler that run calls fails, as does every later one, with the cause of
// ctx.
func (p *Program) RunWithin(ctx context.Context, run func()) { p.promises.Within(ctx, run) }

// Start is called in the turn in which these scripts take over. They take over the processes of the previous scripts.
func (p *Program) Start() {
	p.endAdoption()
	p.processes.Started()
	if p.options.From == 0 {
		return
	}
	renewal := p.options.Store.Renew(p.clients.Replace)
	var step func()
	step = func() {
		switch {
		case p.replaced: // the next scripts renew the whole store
		case !renewal.Step():
			p.options.Loop.Next("reload", step)
		case renewal.Lost > 0:
			p.options.Log.Warn("script: server.state lost values that belong to the scripts before, such as functions",
				"values", renewal.Lost, "generation", p.options.Generation)
		}
	}
	p.options.Loop.Next("reload", step)
}
