package script

import (
	"fmt"
	"slices"

	"perigee/engine/loop"
	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/module"
)

// Types returns LuaCATS annotations of the modules and objects of the Lua API, and of what specs find, for editors. They are made
// from the tables that register the API.
func Types(specs api.Description) string {
	p := described()
	var w api.Types
	w.WriteString("---@meta\n\n-- Written by perigee types: what scripts can do, for editors.\n\n")
	w.WriteString("---@alias perigee.Protection \"none\"|\"client\"|\"admin\"\n")
	w.WriteString("---@alias perigee.BytesFormat \"hex\"|\"base64\"|\"base64url\"|\"bytes\"\n")
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
	for _, k := range specs.Kinds {
		w.Kind(k)
	}
	for _, m := range specs.Modules {
		w.Module(m)
	}
	w.Globals(specs.Globals)
	return w.String()
}

// described returns a program that only describes its functions. None may be called.
func described() *Program { return newProgram(Options{Loop: loop.New(loop.Options{})}, nil) }

// ModuleTypes returns, by module, the text of a file that tells editors what require returns.
func ModuleTypes(specs api.Description) map[string]string {
	files := map[string]string{}
	names := []string{"manager"}
	for _, m := range append(described().modules(), specs.Modules...) {
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
		{
			Name: "extend", Signature: "(): perigee.manager",
			Doc: "Returns a new manager, which has the hooks of this one until it defines its own. A hook of your own should call the hook of the base manager, as base.open(self, client); only job and connect have none there.",
		},
		{
			Name: "boot", Signature: "()",
			Doc: "Runs once for each generation of scripts, after a dry run. Register messages and commands here, or require the files that do. The base manager's boot registers the messages and commands that every application has, and calls server.work.",
		},
	}, hookFunctions()...)}
}

// optionClasses describe the tables of options that functions take.
func optionClasses() []api.Kind {
	const protection = "perigee.Protection"
	return append([]api.Kind{
		{Class: "MessageOptions", Doc: "Options of server.message.", Fields: []api.Field{
			{
				Name: "protection", Type: protection,
				Doc: "Required. Who may send it: \"none\" everybody; \"admin\" admins; \"client\" the client that the message is about, or an admin, and owner names the field that has this client's uuid. Everybody else is prompted.",
			},
			{
				Name: "owner?", Type: "string",
				Doc: "The name of the field with the uuid of a connection. Required with the protection \"client\", and not allowed otherwise.",
			},
			{
				Name: "roles?", Type: "string[]",
				Doc: "Narrows the protection to clients with one of these roles in client.roles, and to admins. Checked after the protection, before any Lua runs. Anybody else is prompted, or, if client.user is set, gets the exception NotAllowed.",
			},
			{
				Name: "prompt?", Type: "string",
				Doc: "The sentence of the prompt, PromptForAuthentication, instead of \"Authorization required.\".",
			},
			{
				Name: "authorize?", Type: "fun(client: perigee.Client, message: table): boolean?",
				Doc: "Narrows the protection, never widens it. Called after the protection and the roles were checked, and before the fields are. If it returns anything but true, the client is prompted; an admin, or a client whose client.user is set, gets the exception NotAllowed.",
			},
			{
				Name: "schema?", Type: "table",
				Doc: "A JSON Schema of the fields. If a message does not match, neither its handler nor its listeners run, and the client gets the exception InvalidFields, which names the first wrong field. An empty list is json.array({}). The fields id, name and timestamp need not be mentioned.",
			},
		}},
		{Class: "CommandOptions", Doc: "Options of server.command.", Fields: []api.Field{
			{
				Name: "schema?", Type: "table",
				Doc: "A JSON Schema of the arguments. If they do not match, the command does not run: a job is buried at once, a program gets the status 422 over HTTP with the first wrong field, and server.run raises an error. The fields id, name and timestamp need not be mentioned.",
			},
		}},
		{Class: "TopicOptions", Doc: "Options of server.register.", Fields: []api.Field{
			{
				Name: "protection?", Type: protection,
				Doc: "Who may subscribe with the message Subscribe: \"none\" everybody, which is the default; \"admin\" admins; \"client\" the client whose uuid is owner, or an admin. Scripts may subscribe any client.",
			},
			{
				Name: "owner?", Type: "string",
				Doc: "The uuid of the connection that the topic belongs to. Required with the protection \"client\", and not allowed otherwise.",
			},
			{
				Name: "listed?", Type: "boolean",
				Doc: "Whether every client is told of the topic: those that are connected when it is registered or removed, and later ones when they connect (UpdateTopics). The roster shows who subscribes to a listed topic. Default: false. An admin's RegisterTopic makes a listed topic.",
			},
			{
				Name: "presence?", Type: "boolean",
				Doc: "Whether subscribers are told which users (client.user) are present: all of them after UpdateSubscriptions (UpdatePresence), and then who has come or left (PresenceChanged). Connections without a user are not shown. Default: false.",
			},
			{
				Name: "history?", Type: "integer",
				Doc: "How many of its latest messages the topic keeps, 0 to 1000. Whoever subscribes gets them after UpdateSubscriptions, oldest first. Default: 0. A topic keeps at most 1 MiB, and all topics limits.history_memory together. They outlive an orderly restart if the server has a state file, and are lost otherwise.",
			},
		}},
		{Class: "TimerOptions", Doc: "Options of server.every.", Fields: []api.Field{
			{Name: "timeout?", Type: "number", Doc: "Ends the timer that many milliseconds after its start. Default: never."},
		}},
		bind.ExecuteOptions(),
	}, slices.Concat(module.JobOptions(), module.RequestOptions(), module.JWTOptions())...)
}
