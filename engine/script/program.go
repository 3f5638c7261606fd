// Package script is the Lua host: it loads the scripts of an application into a Lua machine, gives them the server as
// modules to require, and calls their handlers and hooks. It sees no socket: all that scripts can do to the server goes
// through Host.
//
// Everything here happens on the loop, except Decode and Watch, and what is said to be otherwise.
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
	"perigee/engine/loop"
	"perigee/engine/process"
	"perigee/engine/schema"
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
	// App is what scripts read as server.config.
	App map[string]any
	// Generation is the number of this set of scripts, 1 at the start.
	Generation int
	// Store keeps the tables of server.state.
	Store *Store
	Log   *slog.Logger

	// TurnTimeout is how long a turn may hold the loop, BootTimeout the same for loading and boot; 0 is for ever.
	TurnTimeout, BootTimeout time.Duration
	// Stuck is called from another goroutine when a turn could not be stopped and holds the loop for good; nil is nobody.
	Stuck func(held time.Duration)
	// AwaitTimeout is how long a handler may wait for one thing; 0 is for ever.
	AwaitTimeout time.Duration
	// Memory is the size of the heap, in bytes, above which a running turn is stopped; 0 is no limit.
	Memory uint64
	// JSON bounds what clients send.
	JSON value.Limits

	// Await suspends the turn that calls it, as loop.Loop has it.
	Await func(start func(wake func())) error
	// Next runs a turn after those that are queued already, as loop.Loop has it.
	Next func(name string, run func())
	// Post hands the loop a turn from another goroutine, as loop.Loop has it.
	Post func(name string, run func()) error
	// Rouse has those whose waits are over go on right after the present turn, as loop.Loop has it.
	Rouse func()
	// Fetch begins a request, as fetch.Client has it.
	Fetch func(r fetch.Request, done func(fetch.Response, error)) (cancel func())
	// Processes starts programs; whoever made it ends them.
	Processes *process.Supervisor
	// After calls back on any goroutine, as loop.Clock has it.
	After func(d time.Duration, f func()) (stop func() bool)
}

// Program is a generation of scripts that has been loaded and booted.
type Program struct {
	options Options
	host    Host
	vm      *vm.VM
	loader  *loader
	manager *lua.LTable
	hooks   map[string]lua.LValue // of the manager, by name; functions only
	schemas *schema.Compiler      // nil until a message has a schema

	// Metatables of what scripts hold in their hands.
	clients, lists, topics, timers, listeners, handles, promises, responses, processes *lua.LTable
	clientMethod, clientField                                                          map[string]bool // by name; what the application adds cannot be called so

	app  lua.LValue // server.config
	task *task      // the async function that runs; nil where none does
}

// hooks are the methods of a manager that the server calls; boot is called by Load.
func hooks() []function {
	return []function{
		{"open", "(client: perigee.Client)", "Runs for a new connection.", nil},
		{"close", "(client: perigee.Client, reason: string)", "Runs after a connection has closed.", nil},
		{"error", "(client: perigee.Client, problem: string)", "Runs after a message of the client failed.", nil},
		{"stop", "()", "Runs before the server stops.", nil},
		{
			"roster", "(client: perigee.Client): table|perigee.Client|nil",
			"Returns what others see of a connection; nil keeps it off the roster.", nil,
		},
	}
}

// call is what a handler runs for: how logs name it and the message it answers.
type call struct {
	name string
	text []byte // the frame; nil where no message is handled
}

// New makes a machine with the server's modules in it, and no script yet. The owner runs Watch, calls Load once, and Close
// in the end.
func New(o Options, host Host) (*Program, error) {
	p := &Program{options: o, host: host, hooks: map[string]lua.LValue{}, clientMethod: map[string]bool{}, clientField: map[string]bool{}}
	p.vm = vm.New(vm.Options{
		TurnTimeout: o.TurnTimeout,
		Memory:      o.Memory,
		Stuck:       o.Stuck,
		Print:       func(text string) { o.Log.Info("script: print", "text", text, "generation", o.Generation) },
		Now:         host.Now,
		Await:       o.Await,
		Stopped:     loop.ErrStopped,
	})
	for _, k := range p.kinds() {
		*k.as = p.metatable(k)
	}
	for _, f := range p.clientMethods() {
		p.clientMethod[f.name] = true
	}
	for _, f := range clientFields() {
		p.clientField[f.name] = true
	}
	p.clients.RawSetString("__newindex", p.vm.State().NewFunction(p.setClientField))
	if err := p.openModules(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Watch stops turns that hold the loop too long or use too much memory, until ctx ends. It runs on a goroutine of its own.
func (p *Program) Watch(ctx context.Context) { p.vm.Watch(ctx) }

// Load runs the manager's module and its boot, which register messages, commands, listeners and timers with the host. The
// error names file and line. A Program whose Load failed can only be closed.
func (p *Program) Load() error {
	boot := p.vm.State().NewFunction(func(L *lua.LState) int {
		if _, taken := p.loader.modules[p.options.Manager]; taken {
			L.RaiseError("the manager cannot be called %q: that is a module of the server", p.options.Manager)
		}
		manager, ok := p.loader.require(L, p.options.Manager).(*lua.LTable)
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
			name := h.name
			switch hook := L.GetField(manager, name).(type) {
			case *lua.LFunction:
				p.hooks[name] = hook
			case *lua.LNilType:
			default:
				L.RaiseError("manager.%s is a %s; it must be a function", name, hook.Type())
			}
		}
		return 0
	})
	_, err := p.vm.Call(&call{name: "boot"}, p.options.BootTimeout, boot)
	return wrap("boot", err)
}

// Abort gives the scripts no more time: what runs ends now, and what begins ends at once. Any goroutine may call it.
func (p *Program) Abort() { p.vm.Abort() }

// Close gives back what the machine holds. It is called after the loop has ended.
func (p *Program) Close() {
	p.vm.Close()
	if p.loader != nil {
		p.loader.close()
	}
}

// Decode turns the text of a frame into what handlers get. Any goroutine may call it.
func (p *Program) Decode(text []byte) (wire.Value, error) {
	v, err := value.Decode(text, p.options.JSON, nil)
	if err != nil {
		return nil, err
	}
	return value.Value{LValue: v}, nil
}

// Open calls the manager's open hook for a new connection.
func (p *Program) Open(c Client) error {
	_, err := p.hook("open", p.client(c))
	return err
}

// Closed calls the manager's close hook for a connection that is gone.
func (p *Program) Closed(c Client, reason string) error {
	_, err := p.hook("close", p.client(c), lua.LString(reason))
	return err
}

// Failed calls the manager's error hook after a handler failed for a connection. problem is the error's text.
func (p *Program) Failed(c Client, problem string) error {
	_, err := p.hook("error", p.client(c), lua.LString(problem))
	return err
}

// Stop calls the manager's stop hook.
func (p *Program) Stop() error {
	_, err := p.hook("stop")
	return err
}

// Roster returns the JSON of what others see of a connection, or nil where the manager's roster hook leaves it out.
// Without that hook others see all of it.
func (p *Program) Roster(c Client) ([]byte, error) {
	row := lua.LValue(p.client(c))
	if _, ok := p.hooks["roster"]; ok {
		var err error
		if row, err = p.hook("roster", row); err != nil {
			return nil, err
		}
	}
	switch row.(type) {
	case *lua.LNilType:
		return nil, nil
	case *lua.LTable, *lua.LUserData:
	default:
		return nil, fmt.Errorf("script: roster: the hook returned a %s; it must return a table, the client or nil", row.Type())
	}
	text, err := value.Append(nil, row, value.Limits{})
	if err != nil {
		return nil, fmt.Errorf("script: roster: %w", err)
	}
	return text, nil
}

// hook calls a method of the manager; one that it lacks does nothing.
func (p *Program) hook(name string, args ...lua.LValue) (lua.LValue, error) {
	fn, ok := p.hooks[name]
	if !ok {
		return lua.LNil, nil
	}
	return p.call(&call{name: "manager:" + name}, fn, append([]lua.LValue{p.manager}, args...)...)
}

// call runs a function of the scripts as one protected call.
func (p *Program) call(c *call, fn lua.LValue, args ...lua.LValue) (lua.LValue, error) {
	v, err := p.vm.Call(c, 0, fn, args...)
	return v, wrap(c.name, err)
}

// Error is what a script did wrong, with the place. It never reaches a client.
type Error struct {
	// Name is what ran: the message, command, timer or hook.
	Name string
	// Message begins with file and line: "scripts/chat.lua:12: attempt to index nil".
	Message string
	trace   string
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Traceback lists the calls that led to the error, innermost first.
func (e *Error) Traceback() string { return e.trace }

func (e *Error) Unwrap() error { return e.cause }

// wrap gives a machine's error the name of what ran. One that was cut off because the server stops is a loop.ErrStopped.
func wrap(name string, err error) error {
	if err == nil {
		return nil
	}
	var failure *vm.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("script: %s: %w", name, err)
	}
	cause := failure.Cause
	if errors.Is(cause, vm.ErrStopped) {
		cause = loop.ErrStopped
	}
	return &Error{Name: name, Message: failure.Message, trace: failure.Traceback, cause: cause}
}
