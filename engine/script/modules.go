package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/loader"
	"perigee/engine/script/module"
	"perigee/engine/script/value"
)

// modules are the server's own, sorted as people read them.
func (p *Program) modules() []api.Module {
	return []api.Module{
		{Name: "server", Doc: "The server.", Fields: p.serverFields(), Functions: p.serverFunctions()},
		p.lines.Module(),
		module.JSON(),
		p.requests.Module(),
	}
}

// kinds are the kinds of objects that scripts hold in their hands.
func (p *Program) kinds() []api.Kind {
	return append(p.audience.Kinds(), []api.Kind{
		{
			Name: "timer", Class: "Timer", Doc: "Repeated or delayed work.", As: &p.timers,
			Fields: timerFields(), Methods: timerMethods(),
		},
		p.promises.Kind(),
		{
			Name: "listener", Class: "Listener", Doc: "What binds a message to a command.", As: &p.listeners,
			Methods: listenerMethods(),
		},
		{
			Name: "handle", Class: "Handle", Doc: "A command that will run later.", As: &p.handles,
			Methods: handleMethods(),
		},
		p.children.Kind(),
		p.requests.Kind(),
	}...)
}

// openModules sets up require and the modules that need no file.
func (p *Program) openModules() error {
	L := p.vm.State()
	l, err := loader.New(p.options.Folder, p.options.Shown, p.options.Builtin, p.options.Sources)
	if err != nil {
		return err
	}
	p.loader = l
	if p.app, err = value.FromGo(p.options.App); err != nil {
		return fmt.Errorf("script: server.config: %w", err)
	}
	for _, m := range p.modules() {
		l.Set(m.Name, m.Strict(L))
	}
	L.SetGlobal("require", L.NewFunction(func(L *lua.LState) int {
		L.Push(l.Require(L, L.CheckString(1)))
		return 1
	}))
	return nil
}
