package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// function is one entry of a module or of a kind of object.
type function struct {
	name string
	// signature is written as LuaCATS has it: "(name: string, fields?: table): boolean". A second line is another way to
	// call it.
	signature string
	doc       string // a sentence
	run       lua.LGFunction
}

// field is a value of a module or of a kind of object.
type field struct {
	name, kind string // the kind as LuaCATS has it: "string?"
	doc        string // a sentence
	get        func(object any) lua.LValue
}

// module is what scripts get from require without a file.
type module struct {
	name, doc string
	fields    []field
	functions []function
}

// modules are the server's own, sorted as people read them.
func (p *Program) modules() []module {
	return []module{
		{"server", "The server.", p.serverFields(), p.serverFunctions()},
		{"log", "The log of the server.", nil, p.logFunctions()},
		{"json", "JSON.", jsonFields(), jsonFunctions()},
		{"http", "Requests to other servers.", nil, p.httpFunctions()},
	}
}

// kind is a kind of object that scripts hold in their hands.
type kind struct {
	name  string // as in errors
	class string // as in the types for editors
	doc   string
	as    **lua.LTable // where its metatable is kept
	// plain objects are tables with fields of their own; into others scripts cannot look.
	plain   bool
	fields  []field
	other   func(object any, field string) lua.LValue // answers for fields that have no entry; nil where there are none
	methods []function
}

func (p *Program) kinds() []kind {
	return []kind{
		{
			name: "client", class: "Client", doc: "A connection.", as: &p.clients,
			fields: clientFields(), other: clientAttribute, methods: p.clientMethods(),
		},
		{
			name: "connections", class: "Connections", doc: "A choice of connections, in the order in which they were opened.",
			as: &p.lists, methods: p.listMethods(),
		},
		{
			name: "topic", class: "Topic", doc: "A named set of connections.", as: &p.topics,
			fields: topicFields(), methods: p.topicMethods(),
		},
		{
			name: "timer", class: "Timer", doc: "Repeated or delayed work.", as: &p.timers,
			fields: timerFields(), methods: timerMethods(),
		},
		{
			name: "promise", class: "Promise", doc: "A result that comes later.", as: &p.promises,
			methods: p.promiseMethods(),
		},
		{
			name: "listener", class: "Listener", doc: "What binds a message to a command.", as: &p.listeners,
			methods: listenerMethods(),
		},
		{
			name: "handle", class: "Handle", doc: "A command that will run later.", as: &p.handles,
			methods: handleMethods(),
		},
		{
			name: "process", class: "Process", doc: "A program that runs beside the server.", as: &p.processes,
			fields: processFields(), methods: p.processMethods(),
		},
		{
			name: "response", class: "Response", doc: "The answer to a request.", as: &p.responses, plain: true,
			fields: responseFields(), methods: p.responseMethods(),
		},
	}
}

// openModules sets up require and the modules that need no file.
func (p *Program) openModules() error {
	l, err := newLoader(p.options.Folder, p.options.Shown, p.options.Builtin)
	if err != nil {
		return err
	}
	p.loader = l
	if p.app, err = value.FromGo(p.options.App); err != nil {
		return fmt.Errorf("script: server.config: %w", err)
	}
	for _, m := range p.modules() {
		t := p.functions(m.functions)
		for _, f := range m.fields {
			t.RawSetString(f.name, f.get(nil))
		}
		l.modules[m.name] = p.strict(m.name, t)
	}
	L := p.vm.State()
	L.SetGlobal("require", L.NewFunction(func(L *lua.LState) int {
		L.Push(l.require(L, L.CheckString(1)))
		return 1
	}))
	return nil
}

// strict has a module say so when a script asks for something that it does not have, instead of being nil.
func (p *Program) strict(name string, module *lua.LTable) *lua.LTable {
	L := p.vm.State()
	mt := L.NewTable()
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("there is no %s.%s", name, L.Get(2).String())
		return 0
	}))
	mt.RawSetString("__metatable", lua.LString(name))
	module.Metatable = mt
	return module
}

// functions returns a table of functions by their names.
func (p *Program) functions(functions []function) *lua.LTable {
	return tableOf(p.vm.State(), functions)
}

func tableOf(L *lua.LState, functions []function) *lua.LTable {
	t := L.NewTable()
	for _, f := range functions {
		t.RawSetString(f.name, L.NewFunction(f.run))
	}
	return t
}

// metatable makes the metatable of a kind of object.
func (p *Program) metatable(k kind) *lua.LTable {
	L := p.vm.State()
	mt, methods := L.NewTable(), p.functions(k.methods)
	mt.RawSetString("__metatable", lua.LString(k.name))
	if k.plain {
		mt.RawSetString("__index", methods)
		return mt
	}
	fields := map[string]func(object any) lua.LValue{}
	for _, f := range k.fields {
		fields[f.name] = f.get
	}
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		name := L.CheckString(2)
		if method := methods.RawGetString(name); method != lua.LNil {
			L.Push(method)
			return 1
		}
		switch get := fields[name]; {
		case get != nil:
			L.Push(get(L.CheckUserData(1).Value))
		case k.other != nil:
			L.Push(k.other(L.CheckUserData(1).Value, name))
		default:
			L.Push(lua.LNil)
		}
		return 1
	}))
	mt.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("a %s has no field %q that could be set", k.name, L.CheckString(2))
		return 0
	}))
	mt.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		text := k.name
		if named, ok := L.CheckUserData(1).Value.(fmt.Stringer); ok {
			text = named.String()
		}
		L.Push(lua.LString(text))
		return 1
	}))
	return mt
}

// object makes something that scripts hold in their hands.
func object(of any, metatable *lua.LTable) *lua.LUserData {
	return &lua.LUserData{Value: of, Metatable: metatable}
}

// self returns the object that a method was called on.
func self[T any](L *lua.LState, method string) T {
	if ud, ok := L.Get(1).(*lua.LUserData); ok {
		if v, ok := ud.Value.(T); ok {
			return v
		}
	}
	L.RaiseError("%s is a method: write object:%s(...) with a colon", method, method)
	panic("unreachable")
}

// Where returns the place in the scripts that called the Go function that runs: "scripts/chat.lua:12".
func Where(L *lua.LState) string {
	debug, ok := L.GetStack(1)
	if !ok {
		return "?"
	}
	if _, err := L.GetInfo("Sl", debug, lua.LNil); err != nil {
		return "?"
	}
	return fmt.Sprintf("%s:%d", debug.Source, debug.CurrentLine)
}
