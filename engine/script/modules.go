package script

import (
	"fmt"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/loader"
	"perigee/engine/script/module"
	"perigee/engine/script/value"
)

// modules are the modules of the server, in the order in which the documents list them.
func (p *Program) modules() []api.Module {
	return []api.Module{p.server.module(), p.log.Module(), module.JSON(p.options.JSON.BigText), module.Crypto(), p.tokens(), p.requests.Module()}
}

// tokens is the module jwt. The length of a token limits the number of keys in its claims.
func (p *Program) tokens() api.Module {
	return module.JWT(value.Limits{Depth: p.options.JSON.Depth, BigText: p.options.JSON.BigText}, p.options.Loop.Now)
}

// kinds are the kinds of objects that scripts use.
func (p *Program) kinds() []api.Kind {
	return slices.Concat(p.clients.Kinds(), p.server.kinds(), []api.Kind{p.processes.Kind(), p.requests.Kind()})
}

// openModules sets up require and the modules of the server.
func (p *Program) openModules() error {
	L := p.vm.State()
	l, err := loader.New(p.options.Dir, p.options.DirName, p.options.Builtin, p.options.Sources)
	if err != nil {
		return err
	}
	p.loader = l
	if p.server.config, err = value.FromGo(p.options.App); err != nil {
		return fmt.Errorf("script: server.config: %w", err)
	}
	for _, m := range p.modules() {
		if !m.Yields || !l.Own(m.Name) {
			l.Set(m.Name, m.StrictTable(L))
		}
	}
	L.SetGlobal("require", L.NewFunction(func(L *lua.LState) int {
		return api.Push(L, l.Require(L, L.CheckString(1)))
	}))
	return nil
}
