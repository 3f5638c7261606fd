package script

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/lint"
	"perigee/engine/script/stdlib"
)

// lint logs a warning for each name in the scripts of the scripts directory that nothing defines.
func (p *Program) lint() {
	var sources []lint.Source
	for shown, text := range p.options.Sources.Texts {
		sources = append(sources, lint.Source{Name: shown, Text: text})
	}
	for _, f := range lint.Check(p.known(), sources) {
		fields := []any{"place", f.Place(), "problem", f.Problem}
		if f.Similar != "" {
			fields = append(fields, "did_you_mean", f.Similar)
		}
		p.options.Lint.Warn("script: a name that nothing defines", fields...)
	}
}

// known describes what scripts find, from the tables that register it.
func (p *Program) known() lint.Known {
	k := lint.Known{
		Globals: map[string]*lint.Table{}, Modules: map[string]*lint.Table{}, Classes: map[string]*lint.Table{},
		Manager: "manager", Hooks: map[string]string{}, Instead: stdlib.Instead,
	}
	for _, f := range hookFunctions() {
		k.Hooks[f.Name] = f.Signature
	}
	for _, m := range p.modules() {
		if m.Yields && p.loader != nil && p.loader.Own(m.Name) {
			continue
		}
		k.Modules[m.Name] = &lint.Table{Name: m.Name, Members: members(m.Fields, m.Functions)}
	}
	for _, kind := range slices.Concat(p.kinds(), optionClasses()) {
		k.Classes[kind.Class] = &lint.Table{
			Name: kind.Name, Members: members(kind.Fields, kind.Methods), Attributes: kind.Fallback != nil, Data: kind.Plain,
		}
	}
	globals := p.vm.State().G.Global
	globals.ForEach(func(key, v lua.LValue) {
		name := key.String()
		if strings.HasPrefix(name, "(") { // a function for the compiler
			return
		}
		t, _ := v.(*lua.LTable)
		k.Globals[name] = library(name, t)
	})
	k.Globals["_G"] = lint.Globals()
	return k
}

// members returns the fields and functions of a module or object.
func members(fields []api.Field, functions []api.Function) map[string]string {
	all := map[string]string{}
	for _, f := range fields {
		all[strings.TrimSuffix(f.Name, "?")] = f.Type
	}
	for _, f := range functions {
		all[f.Name] = f.Signature
	}
	return all
}

// library describes a library of Lua; nil for any other value.
func library(name string, t *lua.LTable) *lint.Table {
	if t == nil {
		return nil
	}
	if metatable, ok := t.Metatable.(*lua.LTable); ok { // the table itself is empty if it is read-only
		if index, ok := metatable.RawGetString("__index").(*lua.LTable); ok {
			t = index
		}
	}
	all := map[string]string{}
	t.ForEach(func(member, _ lua.LValue) { all[member.String()] = "" })
	if len(all) == 0 {
		return nil
	}
	return &lint.Table{Name: name, Members: all}
}
