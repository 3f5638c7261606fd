package script

import (
	"io/fs"
	"slices"
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

// meant returns the hook that a name resembles, "Open", "onOpen", "on_open" or "opne"; "" for a hook's own name and for any
// other.
func meant(name string) string {
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "")
	all := append(hooks(), api.Function{Name: "boot"})
	if slices.ContainsFunc(all, func(h api.Function) bool { return h.Name == name }) {
		return ""
	}
	for _, h := range all {
		if h.Name == plain || h.Name == strings.TrimPrefix(plain, "on") || misspelt(plain, h.Name) {
			return h.Name
		}
	}
	return ""
}

// longEnough is the length of a name from which on another one with a letter more or less is the same misspelt: "stops" and
// "top" are words of their own.
const longEnough = 5

// misspelt tells whether two neighbouring letters of a name are swapped, or one is missing or too many.
func misspelt(name, right string) bool {
	first := 0
	for first < min(len(name), len(right)) && name[first] == right[first] {
		first++
	}
	switch len(name) - len(right) {
	case 0:
		return first+1 < len(name) && name[first] == right[first+1] && name[first+1] == right[first] && name[first+2:] == right[first+2:]
	case 1:
		return len(right) >= longEnough && name[first+1:] == right[first:]
	case -1:
		return len(right) >= longEnough && name[first:] == right[first+1:]
	}
	return false
}

// doubtOpen warns once of an open hook that has ended and told no client who it is.
func (p *Program) doubtOpen() {
	if _, own := p.hooks["open"]; !own || p.greeted || p.audience.Greeted() {
		return
	}
	p.greeted = true
	p.options.Log.Warn("script: a connection was opened and no ConnectionEstablished sent: write base.open(self, client) in manager:open",
		"manager", p.options.Manager)
}
