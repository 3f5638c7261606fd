package script

import (
	"slices"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"

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
	refusals                   *lua.LTable // a metatable
}

func (s *server) module() api.Module {
	return api.Module{Name: "server", Doc: "The server.", Fields: s.fields(), Functions: s.functions()}
}

// kinds are the kinds of objects that only this module makes.
func (s *server) kinds() []api.Kind {
	return []api.Kind{
		{Name: "timer", Class: "Timer", Doc: "A repeated or delayed run of a command or function.", Metatable: &s.timers, Fields: timerFields(), Methods: timerMethods()},
		s.promises.Kind(),
		{Name: "listener", Class: "Listener", Doc: "The binding of a message to a command.", Metatable: &s.listeners, Methods: listenerMethods()},
		{
			Name: "refusal", Class: "Refusal", Doc: "The error that server.refuse raises, as pcall and a promise's catch return it. tostring returns its reason.",
			Metatable: &s.refusals, Fields: refusalFields(),
		},
		{Name: "handle", Class: "Handle", Doc: "A command that has yet to run.", Metatable: &s.handles, Methods: handleMethods()},
	}
}

func (s *server) functions() []api.Function {
	return slices.Concat(s.registerFunctions(), s.commandFunctions(), s.clients.Functions(), s.clockFunctions(),
		s.promises.Functions(), s.processes.Functions(), s.jobFunctions())
}

func (s *server) fields() []api.Field {
	return []api.Field{
		{
			Name: "config", Type: "table",
			Doc: "The table [app] of server.toml; empty if there is none. What scripts write into it lasts until the next reload.",
			Get: func(any) lua.LValue { return s.config },
		},
		{
			Name: "generation", Type: "integer",
			Doc: "The number of this generation of scripts: 1 at the start, and one more after each reload.",
			Get: func(any) lua.LValue { return lua.LNumber(s.options.Generation) },
		},
	}
}

func (s *server) registerFunctions() []api.Function {
	return []api.Function{
		{
			Name: "message", Signature: "(name: string, options: perigee.MessageOptions, handler?: fun(client: perigee.Client, message: table))",
			Doc: "Registers a message that clients may send. The handler gets the client and a table of everything that the client sent, the field name included. It may be omitted if a command listens to the message. Messages can be registered only while scripts load or boot, each name once. If the handler raises an error, the log has it with its traceback, the client gets the exception HandlerFailed, the manager's error hook runs, and the connection stays open.",
			Run: s.message,
		},
		{
			Name: "remove_message", Signature: "(name: string)",
			Doc: "Removes a message that is registered, such as one of the base manager's, with the listeners that it has. To clients it is unknown then, and the name can be registered anew. Can be called only while scripts load or boot. An unknown name is an error.",
			Run: func(L *lua.LState) int {
				api.Raise(L, s.host.RemoveMessage(L.CheckString(1)))
				return 0
			},
		},
		{
			Name: "command", Signature: "(name: string, fn: fun(arguments: any): any)\n(name: string, options: perigee.CommandOptions, fn: fun(arguments: any): any)",
			Doc: "Registers a command: named work that clients cannot send, but that messages, timers, jobs, the HTTP API and other commands run. The function gets the arguments, and its result is what server.run and the HTTP API return. Arguments are nil if server.run, server.next, server.delay or a timer gives none, or an empty table if the command has a schema. For a job or the HTTP API they are a table, which only the schema has checked; it is empty if the program gave none. Commands can be registered only while scripts load or boot, each name once. An error in a command that a job runs makes the queue try the job again, unless it is that of server.refuse.",
			Run: s.command,
		},
		{
			Name: "refuse", Signature: "(reason: string)",
			Doc: "Ends the handler or the command with an error that is no bug: it refuses what it was asked to do. It does not return. A job is buried at once, with the reason. A program gets the status 409 over HTTP, with the exception Refused and the reason as its message; a client whose message ran the command gets the same as a MessageException. server.run raises it in turn. The log has no traceback, and the manager's error hook does not run.",
			Run: func(L *lua.LState) int {
				reason := L.CheckString(1)
				if reason == "" {
					L.ArgError(1, "a reason is missing")
				}
				L.Error(api.NewRefusal(reason, s.refusals), 0)
				return 0
			},
		},
		{
			Name: "listen", Signature: "(message: string, command: string): perigee.Listener",
			Doc: "Makes a command run after the message's handler, with the message as arguments. A message with a listener needs no handler, and may have several listeners. Can be called only while scripts load or boot. The message or the command may be registered after the call; if one of them is missing after the boot, the scripts do not load.",
			Run: s.listen,
		},
		{
			Name: "state", Signature: "(name: string, initial?: table): table",
			Doc: "Returns the table of that name. It outlives reloads, and restarts too if the settings name a state.file. If there is no table of that name yet, it becomes a copy of initial, or an empty table; an existing table gets no keys from initial. Every call with the same name returns the same table. Only plain data can be saved: strings of UTF-8, numbers, booleans, json.null, and tables that are lists or have strings as keys. If initial is not plain data, the call raises an error. A state may have 16 MiB as JSON, and all states together 256 MiB. If a state is larger, or is not plain data, the file keeps its last saved form, and the log names the state, the place and the handler; a spec fails. Numbers, json.null and the marks of json.array and json.object are restored exactly; a table that is in two places becomes two tables after a restart.",
			Run: s.state,
		},
	}
}

func (s *server) commandFunctions() []api.Function {
	return []api.Function{
		{
			Name: "run", Signature: "(command: string, arguments?: any): any",
			Doc: "Runs a command within this turn and returns its result. Raises the command's error. An unknown command is an error.",
			Run: s.run,
		},
		{
			Name: "next", Signature: "(command: string, arguments?: any): perigee.Handle",
			Doc: "Runs a command in the next turn. An unknown command is an error.",
			Run: func(L *lua.LState) int {
				name := commandName(L, 1)
				s.promises.CheckDeferred(L)
				abort, err := s.host.Next(name, argument(L, 2))
				return s.pushHandle(L, abort, err)
			},
		},
		{
			Name: "delay", Signature: "(ms: number, command: string, arguments?: any): perigee.Handle",
			Doc: "Runs a command after that many milliseconds, up to a year. An unknown command is an error. Delayed commands end with the server.",
			Run: func(L *lua.LState) int {
				after, name := api.CheckMilliseconds(L, 1), commandName(L, 2)
				s.promises.CheckDeferred(L)
				abort, err := s.host.Delay(after, name, argument(L, 3))
				return s.pushHandle(L, abort, err)
			},
		},
		{
			Name: "every", Signature: "(ms: number, work: string|fun(arguments: any), arguments?: any, options?: perigee.TimerOptions): perigee.Timer",
			Doc: "Runs a command or a function again and again. The interval is 1 ms to a year. The function, or the command, gets the arguments. A command may be registered later, while scripts boot. An error is logged, and the timer goes on. Timers end with the server, but not with the client for which they were started. A reload ends the timers that handlers have started with a function.",
			Run: func(L *lua.LState) int { return s.timer(L, false) },
		},
		{
			Name: "after", Signature: "(ms: number, work: string|fun(arguments: any), arguments?: any): perigee.Timer",
			Doc: "Runs a command or a function once, after that many milliseconds, up to a year. Otherwise like server.every.",
			Run: func(L *lua.LState) int { return s.timer(L, true) },
		},
		{Name: "stop", Signature: "()", Doc: "Stops the server after this turn. The manager's stop hook runs first.", Run: func(*lua.LState) int { s.host.Stop(); return 0 }},
		{
			Name: "supervisor", Signature: "(): string?",
			Doc: "Returns the name of the program that started the server and starts it again when it ends: \"systemd\", \"Supervisor\", \"pm2\", \"Kubernetes\" or \"the container runtime\". It is nil if none was recognized.",
			Run: func(L *lua.LState) int {
				if name := s.host.Supervisor(); name != "" {
					return api.Push(L, lua.LString(name))
				}
				return api.Push(L, lua.LNil)
			},
		},
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
		{Name: "time", Signature: "(): number", Doc: "Returns the seconds since 1970, with their fraction.", Run: func(L *lua.LState) int {
			return api.Push(L, lua.LNumber(float64(s.turns.Now().UnixMicro())/1e6))
		}},
		{Name: "uptime", Signature: "(): number", Doc: "Returns the seconds since the server started, with their fraction.", Run: func(L *lua.LState) int {
			return api.Push(L, lua.LNumber(s.host.Uptime().Seconds()))
		}},
		{Name: "uuid", Signature: "(): string", Doc: "Returns a new random UUID.", Run: func(L *lua.LState) int {
			return api.Push(L, lua.LString(wire.NewID()))
		}},
	}
}

// message is server.message.
func (s *server) message(L *lua.LState) int {
	m := Message{Name: api.CheckName(L, "message"), Source: api.CallSite(L)}
	if L.Get(2).Type() == lua.LTFunction {
		L.RaiseError("message %q: %s: write server.message(name, { protection = ... }, handler)", m.Name, api.ErrNoProtection)
	}
	check := func(err error) {
		if err != nil {
			L.RaiseError("message %q: %s", m.Name, err)
		}
	}
	options := L.CheckTable(2)
	check(api.CheckOptions(options, "protection", "owner", "roles", "prompt", "authorize", "schema"))
	var err error
	m.Protection, err = api.Protection(options)
	check(err)
	m.Owner, err = api.Owner(options, m.Protection, `the field with the uuid of the connection it is about`)
	check(err)
	m.Roles, err = api.RolesOption(options)
	check(err)
	prompt, err := api.Option[lua.LString](options, "prompt", "a string")
	check(err)
	m.Prompt = string(prompt)
	switch authorize := options.RawGetString("authorize").(type) {
	case *lua.LNilType:
	case *lua.LFunction:
		m.Authorize = func(c Client, in Incoming) (bool, error) {
			ok, err := s.turns.call(&api.Call{Name: m.Name + ".authorize", Message: in.call(c)}, authorize, s.clients.Client(c), api.ToLua(in.Value))
			return ok == lua.LTrue, err
		}
	default:
		L.RaiseError("message %q: authorize is a %s; it must be a function", m.Name, authorize.Type())
	}
	m.Check, m.Schema, err = s.check(options.RawGetString("schema"))
	check(err)
	if handler := L.OptFunction(3, nil); handler != nil {
		m.Handle = func(c Client, in Incoming) error {
			_, err := s.turns.call(&api.Call{Name: m.Name, Message: in.call(c)}, handler, s.clients.Client(c), api.ToLua(in.Value))
			return err
		}
	}
	api.Raise(L, s.host.Message(m))
	return 0
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
		L.RaiseError("state %q %s", name, api.Sentence(err))
	}
	return api.Push(L, table)
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
	var check func(text []byte) error
	fn := L.Get(2)
	if options, ok := fn.(*lua.LTable); ok {
		err := api.CheckOptions(options, "schema")
		if err == nil {
			check, c.Schema, err = s.check(options.RawGetString("schema"))
		}
		if err != nil {
			L.RaiseError("command %q: %s", c.Name, api.Sentence(err))
		}
		fn = L.CheckFunction(3)
	} else {
		L.CheckFunction(2)
	}
	c.Run = func(given wire.Value) (wire.Value, error) {
		arguments := api.ToLua(given)
		if check != nil {
			if arguments == lua.LNil {
				arguments = L.NewTable()
			}
			if err := checkArguments(c.Name, arguments, check); err != nil {
				return nil, err
			}
		}
		result, err := s.turns.call(&api.Call{Name: c.Name}, fn, arguments)
		if err != nil {
			return nil, err
		}
		return value.Value{LValue: result}, nil
	}
	api.Raise(L, s.host.Command(c))
	return 0
}

// refusalFields are the fields of the error of server.refuse.
func refusalFields() []api.Field {
	return []api.Field{{
		Name: "reason", Type: "string", Doc: "The reason.",
		Get: api.Getter(func(r *api.Refusal) lua.LValue { return lua.LString(r.Reason) }),
	}}
}

// listen is server.listen.
func (s *server) listen(L *lua.LState) int {
	silence, err := s.host.Listen(L.CheckString(1), L.CheckString(2), api.CallSite(L))
	api.Raise(L, err)
	return api.Push(L, api.NewObject(&listener{silence}, s.listeners))
}

// listener is the Go value of the object that server.listen returns.
type listener struct{ silence func() }

func listenerMethods() []api.Function {
	return []api.Function{{
		Name: "silence", Signature: "()", Run: api.Action("silence", func(l *listener) { l.silence() }),
		Doc: "Removes it: the command no longer runs after the message. Can be called at any time.",
	}}
}

// run is server.run.
func (s *server) run(L *lua.LState) int {
	result, err := s.host.Run(L.CheckString(1), argument(L, 2))
	api.Raise(L, err)
	return api.Push(L, api.ToLua(result))
}

// handle is the Go value of the object that server.next and server.delay return.
type handle struct{ abort func() }

func (s *server) pushHandle(L *lua.LState, abort func(), err error) int {
	api.Raise(L, err)
	return api.Push(L, api.NewObject(&handle{abort}, s.handles))
}

func handleMethods() []api.Function {
	return []api.Function{{
		Name: "abort", Signature: "()", Run: api.Action("abort", func(h *handle) { h.abort() }),
		Doc: "Prevents the command from running, unless it has run.",
	}}
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
