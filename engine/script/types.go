package script

import (
	"fmt"

	"perigee/engine/loop"
	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/module"
)

// Types returns LuaCATS annotations of the modules and objects of the Lua API, for editors. They are made from the tables that
// register the API.
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

// described returns a program that only describes its functions. None may be called.
func described() *Program { return newProgram(Options{Loop: loop.New(loop.Options{})}, nil) }

// ModuleTypes returns, by module, the text of a file that tells editors what require returns.
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

// manager describes scripts/manager.lua.
func manager() api.Kind {
	return api.Kind{Class: "manager", Doc: "The base manager, which an application extends.", Methods: append([]api.Function{
		{Name: "extend", Signature: "(): perigee.manager", Doc: "Returns a new manager that inherits the hooks of this one."},
		{Name: "boot", Signature: "()", Doc: "Runs once for each generation of scripts, which registers everything here."},
	}, hookFunctions()...)}
}

// optionClasses describe the tables of options that functions take.
func optionClasses() []api.Kind {
	const protection = "perigee.Protection"
	return append([]api.Kind{
		{Class: "MessageOptions", Doc: "Options of server.message.", Fields: []api.Field{
			{Name: "protection", Type: protection, Doc: "Who may send it."},
			{Name: "owner?", Type: "string", Doc: "The field with the uuid of the connection that the message concerns."},
			{Name: "authorize?", Type: "fun(client: perigee.Client, message: table): boolean?", Doc: "Narrows the protection."},
			{Name: "schema?", Type: "table", Doc: "A JSON Schema of its fields."},
		}},
		{Class: "TopicOptions", Doc: "Options of server.register.", Fields: []api.Field{
			{Name: "protection?", Type: protection, Doc: "Who may subscribe; default: none."},
			{Name: "owner?", Type: "string", Doc: "The uuid of the connection that the topic belongs to."},
		}},
		{Class: "TimerOptions", Doc: "Options of server.every.", Fields: []api.Field{
			{Name: "timeout?", Type: "number", Doc: "Ends the timer so many milliseconds after its start."},
		}},
		bind.ExecuteOptions(),
	}, append(module.JobOptions(), module.RequestOptions()...)...)
}
