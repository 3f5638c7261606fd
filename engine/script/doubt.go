package script

import (
	"io/fs"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
)

// baseMessages is the folder of the modules that the base manager's boot requires.
const baseMessages = "messages"

// doubt warns of what a manager that has booted can hardly mean.
func (p *Program) doubt() {
	if p.lacksBase() {
		p.options.Log.Warn("script: none of the base messages is registered, such as Authenticate: write base.boot(self) in manager:boot",
			"manager", p.options.Manager)
	}
	p.manager.ForEach(func(k, v lua.LValue) {
		if hook := meant(k.String()); hook != "" && v.Type() == lua.LTFunction {
			p.options.Log.Warn("script: a function of the manager is no hook, but has nearly the name of one",
				"function", "manager."+k.String(), "did_you_mean", hook)
		}
	})
}

// lacksBase tells whether the base manager's boot has not run, in whole or in parts.
func (p *Program) lacksBase() bool {
	files, err := fs.Glob(p.options.Builtin, baseMessages+"/*.lua")
	if err != nil || len(files) == 0 {
		return false // a binary without them
	}
	for _, file := range files {
		name := strings.ReplaceAll(strings.TrimSuffix(file, ".lua"), "/", ".")
		if p.loader.Has(name) {
			return false
		}
	}
	return true
}

// meant returns the hook that a name resembles, "Open", "onOpen" or "on_open"; "" for a hook's own name and for any other.
func meant(name string) string {
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "")
	for _, h := range append(hooks(), api.Function{Name: "boot"}) {
		switch h.Name {
		case name:
			return ""
		case plain, strings.TrimPrefix(plain, "on"):
			return h.Name
		}
	}
	return ""
}
