package script

import (
	"fmt"
	"slices"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/schema"
	"perigee/engine/script/api"
	"perigee/engine/script/module"
	"perigee/engine/script/store"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// serverFunctions are the module server.
func (p *Program) serverFunctions() []api.Function {
	return slices.Concat(p.registerFunctions(), p.commandFunctions(), p.audience.Functions(), p.clockFunctions(),
		p.promises.Functions(), p.children.Functions(), p.jobFunctions())
}

// serverFields are the values of the module server.
func (p *Program) serverFields() []api.Field {
	return []api.Field{
		{Name: "config", Type: "table", Doc: "The [app] table of server.toml.", Get: func(any) lua.LValue { return p.app }},
		{Name: "generation", Type: "integer", Doc: "The number of this set of scripts, 1 at start.", Get: func(any) lua.LValue { return lua.LNumber(p.options.Generation) }},
	}
}

func (p *Program) registerFunctions() []api.Function {
	return []api.Function{
		{
			Name: "message", Signature: "(name: string, options: perigee.MessageOptions, handler?: fun(client: perigee.Client, message: table))",
			Doc: "Registers a message that clients may send.", Run: p.message,
		},
		{Name: "command", Signature: "(name: string, fn: fun(arguments: any): any)", Doc: "Registers named work.", Run: p.command},
		{
			Name: "listen", Signature: "(message: string, command: string): perigee.Listener",
			Doc: "Has a command run after the message's handler, with the message as arguments.", Run: p.listen,
		},
		{
			Name: "state", Signature: "(name: string, initial?: table): table",
			Doc: "Returns the table of plain data of that name, which lives on; a copy of initial where there is none yet.", Run: p.state,
		},
	}
}

func (p *Program) commandFunctions() []api.Function {
	return []api.Function{
		{
			Name: "run", Signature: "(command: string, arguments?: any): any",
			Doc: "Runs a command within this turn and returns its result.", Run: p.run,
		},
		{
			Name: "next", Signature: "(command: string, arguments?: any): perigee.Handle",
			Doc: "Runs a command in the next turn.",
			Run: func(L *lua.LState) int {
				name := commandName(L, 1)
				p.promises.Room(L)
				abort, err := p.host.Next(name, argument(L, 2))
				return p.pushHandle(L, abort, err)
			},
		},
		{
			Name: "delay", Signature: "(ms: number, command: string, arguments?: any): perigee.Handle",
			Doc: "Runs a command later.",
			Run: func(L *lua.LState) int {
				after, name := api.Milliseconds(L, 1), commandName(L, 2)
				p.promises.Room(L)
				abort, err := p.host.Delay(after, name, argument(L, 3))
				return p.pushHandle(L, abort, err)
			},
		},
		{
			Name: "every", Signature: "(ms: number, work: string|fun(arguments: any), arguments?: any, options?: perigee.TimerOptions): perigee.Timer",
			Doc: "Runs a command or a function again and again.",
			Run: func(L *lua.LState) int { return p.timer(L, false) },
		},
		{
			Name: "after", Signature: "(ms: number, work: string|fun(arguments: any), arguments?: any): perigee.Timer",
			Doc: "Runs a command or a function once.",
			Run: func(L *lua.LState) int { return p.timer(L, true) },
		},
		{Name: "stop", Signature: "()", Doc: "Stops the server after this turn.", Run: func(*lua.LState) int { p.host.Stop(); return 0 }},
	}
}

// jobFunctions put and take jobs.
func (p *Program) jobFunctions() []api.Function {
	return module.JobFunctions(module.JobsOptions{
		Wait: p.promises.Wait,
		Push: p.options.Push,
		Work: func(w module.Work) error { return p.host.Work(w) },
	})
}

func (p *Program) clockFunctions() []api.Function {
	return []api.Function{
		{Name: "time", Signature: "(): number", Doc: "Returns the seconds since 1970.", Run: func(L *lua.LState) int {
			L.Push(lua.LNumber(float64(p.host.Now().UnixMicro()) / 1e6))
			return 1
		}},
		{Name: "uptime", Signature: "(): number", Doc: "Returns the seconds since the server started.", Run: func(L *lua.LState) int {
			L.Push(lua.LNumber(p.host.Uptime().Seconds()))
			return 1
		}},
		{Name: "uuid", Signature: "(): string", Doc: "Returns a new random UUID.", Run: func(L *lua.LState) int {
			L.Push(lua.LString(wire.NewID()))
			return 1
		}},
	}
}

// message registers a message: name, options, handler.
func (p *Program) message(L *lua.LState) int {
	m := Message{Name: api.Name(L, "message"), Source: api.Where(L)}
	if L.Get(2).Type() == lua.LTFunction {
		L.RaiseError("message %q: %s: write server.message(name, { protection = ... }, handler)", m.Name, api.ErrNoProtection)
	}
	options := L.CheckTable(2)
	if err := api.CheckOptions(options, "protection", "owner", "authorize", "schema"); err != nil {
		L.RaiseError("message %q: %s", m.Name, err)
	}
	protection, err := api.Protection(options)
	if err != nil {
		L.RaiseError("message %q: %s", m.Name, api.Reason(err))
	}
	m.Protection = protection
	if m.Owner, err = api.Owner(options, protection, `the field with the uuid of the connection it is about`); err != nil {
		L.RaiseError("message %q: %s", m.Name, err)
	}
	switch authorize := options.RawGetString("authorize").(type) {
	case *lua.LNilType:
	case *lua.LFunction:
		m.Authorize = func(c Client, in Incoming) (bool, error) {
			ok, err := p.call(&api.Call{Name: m.Name + ".authorize", Text: in.Text}, authorize, p.audience.Client(c), api.Value(in.Value))
			return ok == lua.LTrue, err
		}
	default:
		L.RaiseError("message %q: authorize is a %s; it must be a function", m.Name, authorize.Type())
	}
	m.Check, m.Schema, err = p.check(options.RawGetString("schema"))
	if err != nil {
		L.RaiseError("message %q: %s", m.Name, err)
	}
	if handler := L.OptFunction(3, nil); handler != nil {
		m.Handle = func(c Client, in Incoming) error {
			_, err := p.call(&api.Call{Name: m.Name, Text: in.Text}, handler, p.audience.Client(c), api.Value(in.Value))
			return err
		}
	}
	api.Raise(L, p.host.Message(m))
	return 0
}

// Schemas are the schemas of messages that have been compiled: whoever loads with the same once more finds them. They belong
// to one program at a time.
type Schemas struct{ compiler *schema.Compiler } // nil until there is one

func (s *Schemas) compile(text []byte) (*schema.Schema, error) {
	if s.compiler == nil {
		var err error
		if s.compiler, err = schema.NewCompiler("id", "name", "timestamp"); err != nil {
			return nil, err
		}
	}
	return s.compiler.Compile(text)
}

// check returns what checks the fields of a message by the schema option, and the text of that; nil where there is none.
func (p *Program) check(option lua.LValue) (check func(text []byte) error, text string, err error) {
	if option == lua.LNil {
		return nil, "", nil
	}
	if option.Type() != lua.LTTable {
		return nil, "", fmt.Errorf("schema is a %s; it must be a table", option.Type())
	}
	written, err := value.Append(nil, option, value.Limits{})
	if err != nil {
		return nil, "", fmt.Errorf("schema: %s", api.Reason(err))
	}
	s, err := p.options.Schemas.compile(written)
	if err != nil {
		return nil, "", err
	}
	return s.Check, string(written), nil
}

// state returns the table of that name, made of initial the first time.
func (p *Program) state(L *lua.LState) int {
	name, initial := api.Name(L, "state"), L.OptTable(2, L.NewTable())
	if !utf8.ValidString(name) {
		L.ArgError(1, "a state's name is UTF-8")
	}
	p.borrow(L, name)
	table, err := p.options.Store.Table(name, initial)
	if err != nil {
		L.RaiseError("state %q must be plain data: %s", name, api.Reason(err))
	}
	L.Push(table)
	return 1
}

// borrow waits, in a rehearsal, for a copy of a table of the scripts that run.
func (p *Program) borrow(L *lua.LState, name string) {
	if p.options.Borrow == nil || p.options.Store.Has(name) {
		return
	}
	var copied *store.Copy
	p.promises.WaitAsLongAs(L, func(wake func()) func() {
		return p.options.Borrow(name, func(l *store.Copy) {
			copied = l
			wake()
		})
	})
	if copied != nil && !p.options.Store.Has(name) {
		p.options.Store.TakeCopy(name, copied)
	}
}

// command registers a command: name, function.
func (p *Program) command(L *lua.LState) int {
	c := Command{Name: api.Name(L, "command"), Source: api.Where(L)}
	fn := L.CheckFunction(2)
	c.Run = func(arguments wire.Value) (wire.Value, error) {
		result, err := p.call(&api.Call{Name: c.Name}, fn, api.Value(arguments))
		if err != nil {
			return nil, err
		}
		return value.Value{LValue: result}, nil
	}
	api.Raise(L, p.host.Command(c))
	return 0
}

// listen binds a message to a command.
func (p *Program) listen(L *lua.LState) int {
	silence, err := p.host.Listen(L.CheckString(1), L.CheckString(2), api.Where(L))
	api.Raise(L, err)
	L.Push(api.Object(&listener{silence}, p.listeners))
	return 1
}

// listener is what server.listen returns.
type listener struct{ silence func() }

func listenerMethods() []api.Function {
	return []api.Function{{Name: "silence", Signature: "()", Doc: "Ends it: the command no longer runs after the message.", Run: func(L *lua.LState) int {
		api.Self[*listener](L, "silence").silence()
		return 0
	}}}
}

// run runs a command within this turn and returns its result.
func (p *Program) run(L *lua.LState) int {
	result, err := p.host.Run(L.CheckString(1), argument(L, 2))
	api.Raise(L, err)
	L.Push(api.Value(result))
	return 1
}

// handle is what server.next and server.delay return.
type handle struct{ abort func() }

func (p *Program) pushHandle(L *lua.LState, abort func(), err error) int {
	api.Raise(L, err)
	L.Push(api.Object(&handle{abort}, p.handles))
	return 1
}

func handleMethods() []api.Function {
	return []api.Function{{Name: "abort", Signature: "()", Doc: "Prevents the command from running, unless it has.", Run: func(L *lua.LState) int {
		api.Self[*handle](L, "abort").abort()
		return 0
	}}}
}

// commandName returns an argument that names a command which shall run in a turn of its own.
func commandName(L *lua.LState, n int) string {
	if L.Get(n).Type() == lua.LTFunction {
		L.ArgError(n, "the name of a command expected, got a function; server.after takes functions")
	}
	return L.CheckString(n)
}

// argument returns an argument as what commands are given: any value, nil included.
func argument(L *lua.LState, n int) wire.Value { return value.Value{LValue: L.Get(n)} }
