package script

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/auth"
	"perigee/engine/schema"
	"perigee/engine/script/value"
	"perigee/engine/script/vm"
	"perigee/engine/wire"
)

// serverFunctions are the module server.
func (p *Program) serverFunctions() []function {
	return slices.Concat(p.registerFunctions(), p.commandFunctions(), p.connectionFunctions(), p.clockFunctions(),
		p.promiseFunctions(), p.processFunctions())
}

// serverFields are the values of the module server.
func (p *Program) serverFields() []field {
	return []field{
		{"config", "table", "The [app] table of server.toml.", func(any) lua.LValue { return p.app }},
		{"generation", "integer", "The number of this set of scripts, 1 at start.", func(any) lua.LValue { return lua.LNumber(p.options.Generation) }},
	}
}

func (p *Program) registerFunctions() []function {
	return []function{
		{
			"message", "(name: string, options: perigee.MessageOptions, handler?: fun(client: perigee.Client, message: table))",
			"Registers a message that clients may send.", p.message,
		},
		{"command", "(name: string, fn: fun(arguments: any): any)", "Registers named work.", p.command},
		{
			"listen", "(message: string, command: string): perigee.Listener",
			"Has a command run after the message's handler, with the message as arguments.", p.listen,
		},
		{
			"state", "(name: string, initial?: table): table",
			"Returns the table of plain data of that name, which lives on; a copy of initial where there is none yet.", p.state,
		},
	}
}

func (p *Program) commandFunctions() []function {
	return []function{
		{
			"run", "(command: string, arguments?: any): any",
			"Runs a command within this turn and returns its result.", p.run,
		},
		{
			"next", "(command: string, arguments?: any): perigee.Handle",
			"Runs a command in the next turn.",
			func(L *lua.LState) int {
				abort, err := p.host.Next(L.CheckString(1), argument(L, 2))
				return p.pushHandle(L, abort, err)
			},
		},
		{
			"delay", "(ms: number, command: string, arguments?: any): perigee.Handle",
			"Runs a command later.",
			func(L *lua.LState) int {
				abort, err := p.host.Delay(milliseconds(L, 1), L.CheckString(2), argument(L, 3))
				return p.pushHandle(L, abort, err)
			},
		},
		{
			"every", "(ms: number, work: string|fun(arguments: any), arguments?: any, options?: perigee.TimerOptions): perigee.Timer",
			"Runs a command or a function again and again.",
			func(L *lua.LState) int { return p.timer(L, false) },
		},
		{
			"after", "(ms: number, work: string|fun(arguments: any), arguments?: any): perigee.Timer",
			"Runs a command or a function once.",
			func(L *lua.LState) int { return p.timer(L, true) },
		},
		{"stop", "()", "Stops the server after this turn.", func(*lua.LState) int { p.host.Stop(); return 0 }},
	}
}

func (p *Program) connectionFunctions() []function {
	return []function{
		{
			"connections", "(): perigee.Connections",
			"Returns all open connections.",
			func(L *lua.LState) int { return p.pushList(L, p.host.Connections()) },
		},
		{
			"broadcast", "(name: string, fields?: table)",
			"Sends a message to every connection.",
			func(L *lua.LState) int {
				raise(L, p.host.Broadcast(L.CheckString(1), fields(L, 2)))
				return 0
			},
		},
		{
			"roster", "()",
			"Sends what changed of the roster at this point of the turn.",
			func(*lua.LState) int { p.host.Roster(); return 0 },
		},
		{
			"topic", "(key: string): perigee.Topic?",
			"Returns the topic of that name or uuid, or nil.",
			func(L *lua.LState) int { return p.pushTopic(L, p.host.Topic(L.CheckString(1))) },
		},
		{"topics", "(): perigee.Topic[]", "Returns all topics, sorted by name.", func(L *lua.LState) int {
			topics := L.NewTable()
			for _, t := range p.host.Topics() {
				topics.Append(p.topic(t))
			}
			L.Push(topics)
			return 1
		}},
		{
			"register", "(name: string, options?: perigee.TopicOptions): perigee.Topic",
			"Makes a topic, or returns the one of that name.", p.registerTopic,
		},
		{
			"unregister", "(topic: perigee.Topic|string)",
			"Removes a topic, or the one of that name or uuid, with its subscriptions.",
			func(L *lua.LState) int {
				if t := p.checkTopic(L, 1); t != nil {
					p.host.Unregister(t)
				}
				return 0
			},
		},
	}
}

func (p *Program) clockFunctions() []function {
	return []function{
		{"time", "(): number", "Returns the seconds since 1970.", func(L *lua.LState) int {
			L.Push(lua.LNumber(float64(p.host.Now().UnixMicro()) / 1e6))
			return 1
		}},
		{"uptime", "(): number", "Returns the seconds since the server started.", func(L *lua.LState) int {
			L.Push(lua.LNumber(p.host.Uptime().Seconds()))
			return 1
		}},
		{"uuid", "(): string", "Returns a new random UUID.", func(L *lua.LState) int {
			L.Push(lua.LString(wire.NewID()))
			return 1
		}},
	}
}

// message registers a message: name, options, handler.
func (p *Program) message(L *lua.LState) int {
	m := Message{Name: name(L, "message"), Source: Where(L)}
	if L.Get(2).Type() == lua.LTFunction {
		L.RaiseError("message %q: %s: write server.message(name, { protection = ... }, handler)", m.Name, errNoProtection)
	}
	options := L.CheckTable(2)
	raise(L, checkOptions(options, "protection", "owner", "authorize", "schema"))
	protection, err := protectionOf(options)
	raise(L, err)
	m.Protection = protection
	if m.Owner, err = ownerOf(options, protection, `the field with the uuid of the connection it is about`); err != nil {
		L.RaiseError("message %q: %s", m.Name, err)
	}
	switch authorize := options.RawGetString("authorize").(type) {
	case *lua.LNilType:
	case *lua.LFunction:
		m.Authorize = func(c Client, in Incoming) (bool, error) {
			ok, err := p.call(&call{name: m.Name + ".authorize", text: in.Text}, authorize, p.client(c), luaValue(in.Value))
			return ok == lua.LTrue, err
		}
	default:
		L.RaiseError("message %q: authorize is a %s; it must be a function", m.Name, authorize.Type())
	}
	m.Check, err = p.check(options.RawGetString("schema"))
	if err != nil {
		L.RaiseError("message %q: %s", m.Name, err)
	}
	if handler := L.OptFunction(3, nil); handler != nil {
		m.Handle = func(c Client, in Incoming) error {
			_, err := p.call(&call{name: m.Name, text: in.Text}, handler, p.client(c), luaValue(in.Value))
			return err
		}
	}
	raise(L, p.host.Message(m))
	return 0
}

// check returns what checks the fields of a message by the schema option; nil where there is none.
func (p *Program) check(option lua.LValue) (func(text []byte) error, error) {
	if option == lua.LNil {
		return nil, nil
	}
	if option.Type() != lua.LTTable {
		return nil, fmt.Errorf("schema is a %s; it must be a table", option.Type())
	}
	text, err := value.Append(nil, option, value.Limits{})
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if p.schemas == nil {
		if p.schemas, err = schema.NewCompiler("id", "name", "timestamp"); err != nil {
			return nil, err
		}
	}
	s, err := p.schemas.Compile(text)
	if err != nil {
		return nil, err
	}
	return s.Check, nil
}

// command registers a command: name, function.
func (p *Program) command(L *lua.LState) int {
	c := Command{Name: name(L, "command"), Source: Where(L)}
	fn := L.CheckFunction(2)
	c.Run = func(arguments wire.Value) (wire.Value, error) {
		result, err := p.call(&call{name: c.Name}, fn, luaValue(arguments))
		if err != nil {
			return nil, err
		}
		return value.Value{LValue: result}, nil
	}
	raise(L, p.host.Command(c))
	return 0
}

// listen binds a message to a command.
func (p *Program) listen(L *lua.LState) int {
	silence, err := p.host.Listen(L.CheckString(1), L.CheckString(2), Where(L))
	raise(L, err)
	L.Push(object(&listener{silence}, p.listeners))
	return 1
}

// listener is what server.listen returns.
type listener struct{ silence func() }

func listenerMethods() []function {
	return []function{{"silence", "()", "Ends it: the command no longer runs after the message.", func(L *lua.LState) int {
		self[*listener](L, "silence").silence()
		return 0
	}}}
}

// run runs a command within this turn and returns its result.
func (p *Program) run(L *lua.LState) int {
	result, err := p.host.Run(L.CheckString(1), argument(L, 2))
	raise(L, err)
	L.Push(luaValue(result))
	return 1
}

// handle is what server.next and server.delay return.
type handle struct{ abort func() }

func (p *Program) pushHandle(L *lua.LState, abort func(), err error) int {
	raise(L, err)
	L.Push(object(&handle{abort}, p.handles))
	return 1
}

func handleMethods() []function {
	return []function{{"abort", "()", "Prevents the command from running, unless it has.", func(L *lua.LState) int {
		self[*handle](L, "abort").abort()
		return 0
	}}}
}

// raise raises an error of Go as one of Lua, at the line that called. A Lua error that comes back from a command keeps its
// own place.
func raise(L *lua.LState, err error) {
	switch failure := err.(type) { //nolint:errorlint // only an error that is itself of that type has a place of its own
	case nil:
	case *Error:
		L.Error(lua.LString(failure.Message), 0)
	default:
		L.RaiseError("%s", strings.TrimPrefix(err.Error(), "script: "))
	}
}

// name returns the first argument, the name of something that is registered.
func name(L *lua.LState, kind string) string {
	name := L.CheckString(1)
	if name == "" || len(name) > 255 {
		L.ArgError(1, "a "+kind+"'s name has 1 to 255 bytes")
	}
	return name
}

// argument returns an argument as what commands are given: any value, nil included.
func argument(L *lua.LState, n int) wire.Value { return value.Value{LValue: L.Get(n)} }

// fields returns an argument as the fields of a message: a table, or nothing.
func fields(L *lua.LState, n int) wire.Fields { return value.Fields{Table: L.OptTable(n, nil)} }

// luaValue returns what a value that came through the host is to Lua.
func luaValue(v wire.Value) lua.LValue {
	if v, ok := v.(value.Value); ok && v.LValue != nil {
		return v.LValue
	}
	return lua.LNil
}

// milliseconds returns an argument as a span of time: 0 up to a year.
func milliseconds(L *lua.LState, n int) time.Duration {
	d := span(float64(L.CheckNumber(n)))
	if d < 0 {
		L.ArgError(n, "milliseconds from 0 to a year expected")
	}
	return d
}

// span returns milliseconds, 0 up to a year, as a span of time, and -1 for what is not among these.
func span(ms float64) time.Duration {
	if !(ms >= 0 && ms <= 365*24*3600*1000) {
		return -1
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// checkOptions names the first option that does not exist.
func checkOptions(options *lua.LTable, known ...string) error {
	var err error
	options.ForEach(func(k, _ lua.LValue) {
		if key, ok := k.(lua.LString); (!ok || !slices.Contains(known, string(key))) && err == nil {
			err = fmt.Errorf("unknown option %q; there are: %s", k.String(), strings.Join(known, ", "))
		}
	})
	return err
}

// errNoProtection is what is wrong with a message, or a topic's options, that do not say who may.
var errNoProtection = errors.New(`protection = "none", "client" or "admin" is missing`)

func protectionOf(options *lua.LTable) (auth.Protection, error) {
	switch v := options.RawGetString("protection").(type) {
	case lua.LString:
		return auth.ParseProtection(string(v))
	default:
		return auth.Admin, errNoProtection
	}
}

// ownerOf returns the owner option, which a client protection needs and the others must not have.
func ownerOf(options *lua.LTable, protection auth.Protection, meaning string) (string, error) {
	owner, given := options.RawGetString("owner").(lua.LString)
	if !given && options.RawGetString("owner") != lua.LNil {
		return "", fmt.Errorf("owner must be a string: %s", meaning)
	}
	if protection == auth.Client && owner == "" {
		return "", fmt.Errorf(`protection = "client" needs owner: %s`, meaning)
	}
	if protection != auth.Client && given {
		return "", fmt.Errorf(`owner goes with protection = "client" only`)
	}
	return string(owner), nil
}

// caller returns what the handler that runs was called for.
func caller(L *lua.LState) *call {
	c, ok := vm.Caller(L).(*call)
	if !ok {
		return &call{name: "?"}
	}
	return c
}
