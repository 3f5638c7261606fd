package script

import (
	"fmt"

	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/module"
)

// Types returns what editors want to know of the modules and objects that scripts use: LuaCATS annotations, made of the
// tables that register them.
func Types() string {
	p := described()
	var w api.Types
	w.Text("---@meta\n\n-- Written by perigee types: what scripts can do, for editors.\n\n")
	w.Text("---@alias perigee.Protection \"none\"|\"client\"|\"admin\"\n")
	for _, k := range optionClasses() {
		w.Kind(k)
	}
	for _, k := range p.kinds() {
		w.Kind(k)
	}
	for _, m := range p.modules() {
		w.Module(m)
	}
	w.Kind(manager())
	return w.String()
}

// described returns a program whose functions are described, not called.
func described() *Program {
	p := &Program{}
	p.furnish(nil)
	return p
}

// ModuleTypes returns, by the name of a module, a file that tells editors what require returns.
func ModuleTypes() map[string]string {
	files := map[string]string{}
	names := []string{"manager"}
	for _, m := range described().modules() {
		names = append(names, m.Name)
	}
	for _, name := range names {
		files[name] = fmt.Sprintf("---@meta\n\n---@type perigee.%s\nlocal %s = {}\n\nreturn %s\n", name, name, name)
	}
	return files
}

// manager is that of scripts/manager.lua.
func manager() api.Kind {
	return api.Kind{Class: "manager", Doc: "The base manager, which an application extends.", Methods: append([]api.Function{
		{Name: "extend", Signature: "(): perigee.manager", Doc: "Makes a manager that has all hooks of this one until it brings its own."},
		{Name: "boot", Signature: "()", Doc: "Runs once for each generation of scripts; everything is registered here."},
	}, hooks()...)}
}

// optionClasses are the tables of options that functions take.
func optionClasses() []api.Kind {
	const protection = "perigee.Protection"
	return append([]api.Kind{
		{Class: "MessageOptions", Doc: "Who may send a message, and how its fields must be.", Fields: []api.Field{
			{Name: "protection", Type: protection, Doc: "Who may send it."},
			{Name: "owner?", Type: "string", Doc: "The field with the uuid of the connection it is about."},
			{Name: "authorize?", Type: "fun(client: perigee.Client, message: table): boolean?", Doc: "Narrows the protection."},
			{Name: "schema?", Type: "table", Doc: "How its fields must be, as JSON Schema."},
		}},
		{Class: "TopicOptions", Doc: "Who may subscribe to a topic.", Fields: []api.Field{
			{Name: "protection?", Type: protection, Doc: "None where it is not given."},
			{Name: "owner?", Type: "string", Doc: "The uuid of the connection that it belongs to."},
		}},
		{Class: "TimerOptions", Doc: "When a timer ends.", Fields: []api.Field{
			{Name: "timeout?", Type: "number", Doc: "How many milliseconds after its start."},
		}},
		bind.ExecuteOptions(),
	}, append(module.JobOptions(), module.RequestOptions()...)...)
}
