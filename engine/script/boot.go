package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/config"
	"perigee/engine/script/api"
)

// Load runs the manager's module and its boot, which register messages, commands, listeners and timers with the host. If these
// scripts replace others, it also runs migrate. The error names file and line. A Program whose Load failed can only be
// closed.
func (p *Program) Load() error {
	defer p.closeIfIdle()
	loaded, late := false, false
	if limit := p.options.BootWait; limit > 0 {
		stop := p.options.Loop.AfterFunc(limit, func() {
			_ = p.options.Loop.Post("boot", func() { // if the loop has ended, so has the wait
				if !loaded {
					late = true
					p.promises.Interrupt(fmt.Errorf("loading takes longer than lua.boot_timeout, %s", limit))
				}
			})
		})
		defer stop()
	}
	h, migrating := p.hooks, false
	boot := p.vm.State().NewFunction(func(L *lua.LState) int {
		p.bootManager(L)
		if migrate, ok := h.functions["migrate"]; ok && p.options.From > 0 {
			migrating = true
			L.Push(migrate)
			L.Push(h.manager)
			L.Push(lua.LNumber(p.options.From))
			L.Call(2, 0)
		}
		return 0
	})
	call := &api.Call{Name: "boot", Limit: "lua.boot_timeout"}
	if p.options.From > 0 {
		call.Limit = "lua.turn_timeout, since the scripts before serve clients meanwhile"
	}
	_, err := call.Run(p.vm, p.options.BootTimeout, boot)
	if err != nil && migrating {
		err = fmt.Errorf("migrate: %w", err) // the same scripts may boot without a fault if they replace none
	}
	if err == nil && late {
		return fmt.Errorf("script: loading took longer than lua.boot_timeout, %s", p.options.BootWait)
	}
	loaded = true
	if err == nil && p.options.Lint != nil {
		p.lint()
	}
	return err
}

// bootManager requires the manager's module, runs its boot and reads its hooks. It runs within Load's protected call and raises
// errors.
func (p *Program) bootManager(L *lua.LState) {
	name, setting := p.options.Manager, p.options.ManagerSetting
	if p.loader.Has(name) {
		L.RaiseError("%s: %q is a module of the server and cannot be the manager", setting, name)
	}
	if err := p.loader.Find(name); err != nil {
		if similar := config.Nearest(name, p.loader.Top()); similar != "" {
			err = fmt.Errorf("%w; did you mean %q?", err, similar)
		}
		L.RaiseError("%s: %s", setting, err)
	}
	manager, ok := p.loader.Require(L, name).(*lua.LTable)
	if !ok {
		L.RaiseError("module %q must return its manager: local manager = require(\"manager\"):extend() ... return manager", name)
	}
	if boot, ok := L.GetField(manager, "boot").(*lua.LFunction); ok {
		L.Push(boot)
		L.Push(manager)
		L.Call(1, 0)
	}
	p.readHooks(L, manager)
	if p.lacksBaseMessages() {
		p.options.Log.Warn("script: none of the base messages is registered, such as Authenticate: write base.boot(self) in manager:boot",
			"manager", name)
	}
}
