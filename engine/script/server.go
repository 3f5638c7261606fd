package script

import (
	"fmt"
	"slices"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/schema"
	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/module"
	"perigee/engine/script/promise"
	"perigee/engine/script/store"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// server is the module of that name.
type server struct {
	options   Options
	host      Host
	turns     *turns
	clients   *bind.Clients
	promises  *promise.Runtime
	processes *bind.Processes

	config                     lua.LValue  // of the scripts
	timers, listeners, handles *lua.LTable // metatables
}

func (s *server) module() api.Module {
	return api.Module{Name: "server", Doc: "The server.", Fields: s.fields(), Functions: s.functions()}
}

// kinds are the kinds of objects that only this module makes.
func (s *server) kinds() []api.Kind {
	return []api.Kind{
		{
			Name: "timer", Class: "Timer", Doc: "A repeated or delayed run of a command or function.", Metatable: &s.timers,
			Fields: timerFields(), Methods: timerMethods(),
		},
		s.promises.Kind(),
		{
			Name: "listener", Class: "Listener", Doc: "The binding of a message to a command.", Metatable: &s.listeners,
			Methods: listenerMethods(),
		},
		{
			Name: "handle", Class: "Handle", Doc: "A command that has yet to run.", Metatable: &s.handles,
			Methods: handleMethods(),
		},
	}
}

func (s *server) functions() []api.Function {
	return slices.Concat(s.registerFunctions(), s.commandFunctions(), s.clients.Functions(), s.clockFunctions(),
		s.promises.Functions(), s.processes.Functions(), s.jobFunctions())
}

func (s *server) fields() []api.Field {
	return []api.Field{
		{Name: "config", Type: "table", Doc: "The [app] table of server.toml.", Get: func(any) lua.LValue { return s.config }},
		{Name: "generation", Type: "integer", Doc: "The number of this generation of scripts, 1 at the start.", Get: func(any) lua.LValue { return lua.LNumber(s.options.Generation) }},
	}
}

func (s *server) registerFunctions() []api.Function {
	return []api.Function{
		{
			Name: "message", Signature: "(name: string, options: perigee.MessageOptions, handler?: fun(client: perigee.Client, message: table))",
			Doc: "Registers a message that clients may send.", Run: s.message,
		},
		{Name: "command", Signature: "(name: string, fn: fun(arguments: any): any)", Doc: "Registers a command.", Run: s.command},
		{
			Name: "listen", Signature: "(message: string, command: string): perigee.Listener",
			Doc: "Runs a command after the message's handler, with the message as arguments.", Run: s.listen,
		},
		{
			Name: "state", Signature: "(name: string, initial?: table): table",
			Doc: "Returns the table of that name, for plain data that outlives reloads; if there is none yet, it is a copy of initial.", Run: s.state,
		},
	}
}

func (s *server) commandFunctions() []api.Function {
	return []api.Function{
		{
			Name: "run", Signature: "(command: string, arguments?: any): any",
			Doc: "Runs a command within this turn and returns its result.", Run: s.run,
		},
		{
			Name: "next", Signature: "(command: string, arguments?: any): perigee.Handle",
			Doc: "Runs a command in the next turn.",
			Run: func(L *lua.LState) int {
				name := commandName(L, 1)
				s.promises.CheckDeferred(L)
				abort, err := s.host.Next(name, argument(L, 2))
				return s.pushHandle(L, abort, err)
			},
		},
		{
			Name: "delay", Signature: "(ms: number, command: string, arguments?: any): perigee.Handle",
			Doc: "Runs a command later.",
			Run: func(L *lua.LState) int {
				after, name := api.CheckMilliseconds(L, 1), commandName(L, 2)
				s.promises.CheckDeferred(L)
				abort, err := s.host.Delay(after, name, argument(L, 3))
				return s.pushHandle(L, abort, err)
			},
		},
		{
			Name: "every", Signature: "(ms: number, work: string|fun(arguments: any), arguments?: any, options?: perigee.TimerOptions): perigee.Timer",
			Doc: "Runs a command or a function repeatedly.",
			Run: func(L *lua.LState) int { return s.timer(L, false) },
		},
		{
			Name: "after", Signature: "(ms: number, work: string|fun(arguments: any), arguments?: any): perigee.Timer",
			Doc: "Runs a command or a function once.",
			Run: func(L *lua.LState) int { return s.timer(L, true) },
		},
		{Name: "stop", Signature: "()", Doc: "Stops the server after this turn.", Run: func(*lua.LState) int { s.host.Stop(); return 0 }},
	}
}

func (s *server) jobFunctions() []api.Function {
	return module.JobFunctions(module.JobsOptions{
		Wait:      s.promises.Wait,
		Push:      s.options.Push,
		SetWorker: func(w module.WorkerOptions) error { return s.host.SetWorker(w) },
	})
}

func (s *server) clockFunctions() []api.Function {
	return []api.Function{
		{Name: "time", Signature: "(): number", Doc: "Returns the seconds since 1970.", Run: func(L *lua.LState) int {
			L.Push(lua.LNumber(float64(s.turns.Now().UnixMicro()) / 1e6))
			return 1
		}},
		{Name: "uptime", Signature: "(): number", Doc: "Returns the seconds since the server started.", Run: func(L *lua.LState) int {
			L.Push(lua.LNumber(s.host.Uptime().Seconds()))
			return 1
		}},
		{Name: "uuid", Signature: "(): string", Doc: "Returns a new random UUID.", Run: func(L *lua.LState) int {
			L.Push(lua.LString(wire.NewID()))
			return 1
		}},
	}
}

// message is server.message.
func (s *server) message(L *lua.LState) int {
	m := Message{Name: api.CheckName(L, "message"), Source: api.CallSite(L)}
	if L.Get(2).Type() == lua.LTFunction {
		L.RaiseError("message %q: %s: write server.message(name, { protection = ... }, handler)", m.Name, api.ErrNoProtection)
	}
	options := L.CheckTable(2)
	if err := api.CheckOptions(options, "protection", "owner", "authorize", "schema"); err != nil {
		L.RaiseError("message %q: %s", m.Name, err)
	}
	protection, err := api.Protection(options)
	if err != nil {
		L.RaiseError("message %q: %s", m.Name, api.Sentence(err))
	}
	m.Protection = protection
	if m.Owner, err = api.Owner(options, protection, `the field with the uuid of the connection it is about`); err != nil {
		L.RaiseError("message %q: %s", m.Name, err)
	}
	switch authorize := options.RawGetString("authorize").(type) {
	case *lua.LNilType:
	case *lua.LFunction:
		m.Authorize = func(c Client, in Incoming) (bool, error) {
			ok, err := s.turns.call(&api.Call{Name: m.Name + ".authorize", Text: in.Text}, authorize, s.clients.Client(c), api.ToLua(in.Value))
			return ok == lua.LTrue, err
		}
	default:
		L.RaiseError("message %q: authorize is a %s; it must be a function", m.Name, authorize.Type())
	}
	m.Check, m.Schema, err = s.check(options.RawGetString("schema"))
	if err != nil {
		L.RaiseError("message %q: %s", m.Name, err)
	}
	if handler := L.OptFunction(3, nil); handler != nil {
		m.Handle = func(c Client, in Incoming) error {
			_, err := s.turns.call(&api.Call{Name: m.Name, Text: in.Text}, handler, s.clients.Client(c), api.ToLua(in.Value))
			return err
		}
	}
	api.Raise(L, s.host.Message(m))
	return 0
}

// Schemas are the compiled schemas of messages, kept so that the next load of the same scripts does not compile them again.
// They belong to one program at a time.
type Schemas struct{ compiler *schema.Compiler } // made when it is first needed

func (s *Schemas) compile(text []byte) (*schema.Schema, error) {
	if s.compiler == nil {
		var err error
		if s.compiler, err = schema.NewCompiler("id", "name", "timestamp"); err != nil {
			return nil, err
		}
	}
	return s.compiler.Compile(text)
}

// check returns the check of a message's fields by its schema option, and the text of the schema; nil without the option.
func (s *server) check(option lua.LValue) (check func(text []byte) error, text string, err error) {
	if option == lua.LNil {
		return nil, "", nil
	}
	if option.Type() != lua.LTTable {
		return nil, "", fmt.Errorf("schema is a %s; it must be a table", option.Type())
	}
	written, err := value.Append(nil, option, value.Limits{})
	if err != nil {
		return nil, "", fmt.Errorf("schema: %s", api.Sentence(err))
	}
	compiled, err := s.options.Schemas.compile(written)
	if err != nil {
		return nil, "", err
	}
	return compiled.Check, string(written), nil
}

// state is server.state.
func (s *server) state(L *lua.LState) int {
	name, initial := api.CheckName(L, "state"), L.OptTable(2, L.NewTable())
	if !utf8.ValidString(name) {
		L.ArgError(1, "the name of a state must be UTF-8")
	}
	s.copyState(L, name)
	table, err := s.options.Store.Table(name, initial)
	if err != nil {
		L.RaiseError("state %q must be plain data: %s", name, api.Sentence(err))
	}
	L.Push(table)
	return 1
}

// copyState waits, in a rehearsal, for a copy of a table of the running scripts.
func (s *server) copyState(L *lua.LState, name string) {
	if s.options.CopyState == nil || s.options.Store.Has(name) {
		return
	}
	var copied *store.Copy
	s.promises.WaitUntimed(L, func(wake func()) func() {
		return s.options.CopyState(name, func(l *store.Copy) {
			copied = l
			wake()
		})
	})
	if copied != nil && !s.options.Store.Has(name) {
		s.options.Store.TakeCopy(name, copied)
	}
}

// command is server.command.
func (s *server) command(L *lua.LState) int {
	c := Command{Name: api.CheckName(L, "command"), Source: api.CallSite(L)}
	fn := L.CheckFunction(2)
	c.Run = func(arguments wire.Value) (wire.Value, error) {
		result, err := s.turns.call(&api.Call{Name: c.Name}, fn, api.ToLua(arguments))
		if err != nil {
			return nil, err
		}
		return value.Value{LValue: result}, nil
	}
	api.Raise(L, s.host.Command(c))
	return 0
}

// listen is server.listen.
func (s *server) listen(L *lua.LState) int {
	silence, err := s.host.Listen(L.CheckString(1), L.CheckString(2), api.CallSite(L))
	api.Raise(L, err)
	L.Push(api.NewObject(&listener{silence}, s.listeners))
	return 1
}

// listener is what server.listen returns.
type listener struct{ silence func() }

func listenerMethods() []api.Function {
	return []api.Function{{Name: "silence", Signature: "()", Doc: "Removes it: the command no longer runs after the message.", Run: func(L *lua.LState) int {
		api.Self[*listener](L, "silence").silence()
		return 0
	}}}
}

// run is server.run.
func (s *server) run(L *lua.LState) int {
	result, err := s.host.Run(L.CheckString(1), argument(L, 2))
	api.Raise(L, err)
	L.Push(api.ToLua(result))
	return 1
}

// handle is what server.next and server.delay return.
type handle struct{ abort func() }

func (s *server) pushHandle(L *lua.LState, abort func(), err error) int {
	api.Raise(L, err)
	L.Push(api.NewObject(&handle{abort}, s.handles))
	return 1
}

func handleMethods() []api.Function {
	return []api.Function{{Name: "abort", Signature: "()", Doc: "Prevents the command from running, if it has not run yet.", Run: func(L *lua.LState) int {
		api.Self[*handle](L, "abort").abort()
		return 0
	}}}
}

// commandName returns an argument that names a command to run later.
func commandName(L *lua.LState, n int) string {
	if L.Get(n).Type() == lua.LTFunction {
		L.ArgError(n, "the name of a command expected, got a function; server.after takes functions")
	}
	return L.CheckString(n)
}

// argument returns an argument of any kind, nil included, as the arguments of a command.
func argument(L *lua.LState, n int) wire.Value { return value.Value{LValue: L.Get(n)} }
