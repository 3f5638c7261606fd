package script

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// hookFunctions are the methods of a manager that the server calls; boot is called by Load.
func hookFunctions() []api.Function {
	return []api.Function{
		{
			Name: "connect", Signature: "(request: perigee.Request): boolean|table|nil, integer?, string?",
			Doc: "Runs before a request becomes a connection, and may wait, at most for limits.handshake_timeout. Returns nothing or true to accept the client; a table of fields to accept it and set them: user, roles, data, name, type, email, admin, and your own, which no built-in message lets the client change; or false, an HTTP status (401, 403, 404, 429 or 503; 403 by default) and a reason to refuse it, of which the client library hears by a close code. After an error, or any other result, the client gets the status 500.",
		},
		{Name: "open", Signature: "(client: perigee.Client)", Doc: "Runs for a new connection. The base manager's hook sends ConnectionEstablished, so call it first."},
		{
			Name: "drop", Signature: "(client: perigee.Client)",
			Doc: "Runs when a connection is lost and may come back. It stays open, in its topics and in the roster, and what it is sent is kept. The base manager's hook does nothing.",
		},
		{
			Name: "resume", Signature: "(client: perigee.Client, complete: boolean)",
			Doc: "Runs when a lost connection is back, always after drop. complete is false if the page was loaded anew, or if the client cannot be sent all that it missed. Then the base manager's hook calls open, so that the page gets again what open sends.",
		},
		{Name: "close", Signature: "(client: perigee.Client, reason: string)", Doc: "Runs after a connection has closed for good. The client still has its fields; messages to it are dropped."},
		{Name: "error", Signature: "(client: perigee.Client, problem: string)", Doc: "Runs after a message of the client failed. The log has the problem already."},
		{
			Name: "job", Signature: "(body: string, tube: string): string?, table|string|nil",
			Doc: "Reads a job whose format the server does not know, from the queue of that name. Returns the name of a command and its arguments, a table with names or nil; or nil and a reason, with which the job is buried. May wait. If it raises an error or returns anything else, the job is tried again, as after an error of its command.",
		},
		{Name: "stop", Signature: "()", Doc: "Runs before the server stops, while connections are still open."},
		{
			Name: "migrate", Signature: "(from: integer)",
			Doc: "Runs after boot if scripts were reloaded, with the number of the generation before. Use it to bring server.state and the fields of clients into a new form. It runs in the dry run too. If it raises an error, the old scripts go on.",
		},
		{
			Name: "roster", Signature: "(client: perigee.Client): table|perigee.Client|nil",
			Doc: "Returns what other clients see of a connection: a table, the client itself for all of its fields, or nil to leave it out. Runs again only if the connection has changed. The base manager's hook returns all fields except email, ip_address and roles. As long as the hook returns nil for every connection, no roster is sent.",
		},
	}
}

// hooks calls the hooks of the manager that the scripts have returned.
type hooks struct {
	turns       *turns
	clients     *bind.Clients
	log         *slog.Logger
	managerName string

	manager        *lua.LTable
	functions      map[string]lua.LValue // by name; only functions
	warnedOfOpen   bool
	warnedOfFields []string
}

// readHooks reads the hooks of the manager and raises errors. It warns of functions that are probably misspelt hooks.
func (h *hooks) readHooks(L *lua.LState, manager *lua.LTable) {
	h.manager = manager
	for _, f := range hookFunctions() {
		switch hook := L.GetField(manager, f.Name).(type) {
		case *lua.LFunction:
			if wrong := dotted(f, hook); wrong != "" {
				L.RaiseError("%s", wrong)
			}
			h.functions[f.Name] = hook
		case *lua.LNilType:
		default:
			L.RaiseError("manager.%s is a %s; it must be a function", f.Name, hook.Type())
		}
	}
	manager.ForEach(func(k, v lua.LValue) {
		if hook := similarHook(k.String()); hook != "" && v.Type() == lua.LTFunction {
			h.log.Warn("script: a function of the manager is not a hook, but its name is similar to one",
				"function", "manager."+k.String(), "did_you_mean", hook)
		}
	})
}

// OnOpen calls the manager's open hook for a new connection. It warns once if the hook has not told the client who it is.
func (h *hooks) OnOpen(c Client) error {
	_, err := h.call("open", h.clients.Client(c))
	if _, exists := h.functions["open"]; err == nil && exists && !h.warnedOfOpen && !h.clients.SentEstablished() {
		h.warnedOfOpen = true
		h.log.Warn("script: a connection was opened and no ConnectionEstablished sent: write base.open(self, client) in manager:open",
			"manager", h.managerName)
	}
	return err
}

// OnDrop calls the manager's drop hook when a connection is lost that may come back.
func (h *hooks) OnDrop(c Client) error {
	_, err := h.call("drop", h.clients.Client(c))
	return err
}

// OnResume calls the manager's resume hook when a lost connection is back. complete means that the client has been sent, or will
// be, all that it missed.
func (h *hooks) OnResume(c Client, complete bool) error {
	_, err := h.call("resume", h.clients.Client(c), lua.LBool(complete))
	return err
}

// OnClose calls the manager's close hook after a connection has closed.
func (h *hooks) OnClose(c Client, reason string) error {
	_, err := h.call("close", h.clients.Client(c), lua.LString(reason))
	return err
}

// OnError calls the manager's error hook after a handler failed for a connection. problem is the error's text.
func (h *hooks) OnError(c Client, problem string) error {
	_, err := h.call("error", h.clients.Client(c), lua.LString(problem))
	return err
}

// ParsedJob is the result of the job hook: the command and its arguments, or the reason why it cannot read the job.
type ParsedJob struct {
	Command   string
	Arguments wire.Value
	Reason    string
}

// ParseJob calls the manager's job hook for a job of a queue whose body has an unknown format. Without that hook, it returns the
// zero ParsedJob.
func (h *hooks) ParseJob(body []byte, queue string) (ParsedJob, error) {
	hook, ok := h.functions["job"]
	if !ok {
		return ParsedJob{}, nil
	}
	command, second := lua.LNil, lua.LNil
	fn := h.turns.lifetime.vm.State().NewFunction(func(L *lua.LState) int {
		for _, v := range []lua.LValue{hook, h.manager, lua.LString(body), lua.LString(queue)} {
			L.Push(v)
		}
		L.Call(3, 2)
		command, second = L.Get(-2), L.Get(-1)
		return 0
	})
	if _, err := h.turns.call(&api.Call{Name: "manager:job"}, fn); err != nil {
		return ParsedJob{}, err
	}
	switch command := command.(type) {
	case *lua.LNilType:
		if reason, ok := second.(lua.LString); ok && reason != "" {
			return ParsedJob{Reason: string(reason)}, nil
		}
		return ParsedJob{Reason: "it returned nil and no reason"}, nil
	case lua.LString:
		if second == lua.LNil {
			second = h.turns.lifetime.vm.State().NewTable()
		}
		arguments, err := jobArguments(second)
		return ParsedJob{Command: string(command), Arguments: arguments}, err
	default:
		return ParsedJob{}, fmt.Errorf("script: job: the hook returned a %s; it must return the name of a command and its arguments, or nil and a reason",
			command.Type())
	}
}

// jobArguments checks the arguments that the job hook returned.
func jobArguments(v lua.LValue) (wire.Value, error) {
	text, err := value.Append(nil, v, value.Limits{})
	if err != nil {
		return nil, fmt.Errorf("script: job: the arguments: %w", err)
	}
	if kind := wire.Kind(text); kind != "an object" {
		return nil, fmt.Errorf("script: job: the arguments must be a table with names, found %s", kind)
	}
	return value.Value{LValue: v}, nil
}

// OnStop calls the manager's stop hook.
func (h *hooks) OnStop() error {
	_, err := h.call("stop")
	return err
}

// RosterEntry returns, as JSON, what other clients see of a connection, or nil if the manager's roster hook leaves it out. Without
// that hook they see all of its fields.
func (h *hooks) RosterEntry(c Client) ([]byte, error) {
	row := lua.LValue(h.clients.Client(c))
	if _, ok := h.functions["roster"]; ok {
		var err error
		if row, err = h.call("roster", row); err != nil {
			return nil, err
		}
	}
	switch row.(type) {
	case *lua.LNilType:
		return nil, nil
	case *lua.LTable, *lua.LUserData:
	default:
		return nil, fmt.Errorf("script: roster: the hook returned a %s; it must return a table, the client or nil", row.Type())
	}
	text, err := value.Append(nil, row, value.Limits{Text: bind.MaxRow})
	if err != nil {
		return nil, fmt.Errorf("script: roster: %w", err)
	}
	return text, nil
}

// call calls a hook. If the manager lacks it, call does nothing.
func (h *hooks) call(name string, args ...lua.LValue) (lua.LValue, error) {
	fn, ok := h.functions[name]
	if !ok {
		return lua.LNil, nil
	}
	return h.turns.call(&api.Call{Name: "manager:" + name}, fn, append([]lua.LValue{h.manager}, args...)...)
}

// dotted returns the error of a hook that was defined with a dot instead of a colon, so that it would get the manager as its
// first argument; "" if it was not.
func dotted(hook api.Function, fn *lua.LFunction) string {
	if fn.IsG || fn.Proto.NumParameters == 0 || len(fn.Proto.DbgLocals) == 0 {
		return ""
	}
	names := hook.Parameters()
	if !slices.Contains(names, fn.Proto.DbgLocals[0].Name) {
		return ""
	}
	return fmt.Sprintf("%s:%d: %s would get the manager as its %s: write function manager:%s(%s), with a colon",
		fn.Proto.SourceName, fn.Proto.LineDefined, hook.Name, fn.Proto.DbgLocals[0].Name, hook.Name, strings.Join(names, ", "))
}
