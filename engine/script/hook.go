package script

import (
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/value"
)

// hooks are the methods of a manager that the server calls; boot is called by Load.
func hooks() []api.Function {
	return []api.Function{
		{Name: "open", Signature: "(client: perigee.Client)", Doc: "Runs for a new connection."},
		{Name: "close", Signature: "(client: perigee.Client, reason: string)", Doc: "Runs after a connection has closed."},
		{Name: "error", Signature: "(client: perigee.Client, problem: string)", Doc: "Runs after a message of the client failed."},
		{Name: "stop", Signature: "()", Doc: "Runs before the server stops."},
		{
			Name: "migrate", Signature: "(from: integer)",
			Doc: "Runs after boot when scripts were reloaded, with the number of the generation before; an error keeps that one.",
		},
		{
			Name: "roster", Signature: "(client: perigee.Client): table|perigee.Client|nil",
			Doc: "Returns what others see of a connection; nil keeps it off the roster.",
		},
	}
}

// Open calls the manager's open hook for a new connection.
func (p *Program) Open(c Client) error {
	_, err := p.hook("open", p.audience.Client(c))
	if err == nil {
		p.doubtOpen()
	}
	return err
}

// Closed calls the manager's close hook for a connection that is gone.
func (p *Program) Closed(c Client, reason string) error {
	_, err := p.hook("close", p.audience.Client(c), lua.LString(reason))
	return err
}

// Failed calls the manager's error hook after a handler failed for a connection. problem is the error's text.
func (p *Program) Failed(c Client, problem string) error {
	_, err := p.hook("error", p.audience.Client(c), lua.LString(problem))
	return err
}

// Stop calls the manager's stop hook.
func (p *Program) Stop() error {
	_, err := p.hook("stop")
	return err
}

// Roster returns the JSON of what others see of a connection, or nil where the manager's roster hook leaves it out.
// Without that hook others see all of it.
func (p *Program) Roster(c Client) ([]byte, error) {
	row := lua.LValue(p.audience.Client(c))
	if _, ok := p.hooks["roster"]; ok {
		var err error
		if row, err = p.hook("roster", row); err != nil {
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

// hook calls a method of the manager; one that it lacks does nothing.
func (p *Program) hook(name string, args ...lua.LValue) (lua.LValue, error) {
	fn, ok := p.hooks[name]
	if !ok {
		return lua.LNil, nil
	}
	return p.call(&api.Call{Name: "manager:" + name}, fn, append([]lua.LValue{p.manager}, args...)...)
}

// dotted says what is wrong with a hook that was written with a dot, which would get the manager in place of its first
// argument; "" where nothing is.
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
