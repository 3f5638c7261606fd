package script

import (
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
)

// timer starts one: milliseconds, command or function, its arguments, and for a repeated one options.
func (p *Program) timer(L *lua.LState, once bool) int {
	o := TimerOptions{Every: api.Milliseconds(L, 1), Once: once}
	if !once && o.Every < time.Millisecond {
		L.ArgError(1, "an interval of at least 1 ms expected")
	}
	o.Source, o.Arguments = api.Where(L), argument(L, 3)
	arguments := o.Arguments
	switch work := L.Get(2).(type) {
	case *lua.LFunction:
		o.Name, o.Ended = o.Source, p.release
		o.Run = func() error {
			_, err := p.call(&api.Call{Name: "timer " + o.Name}, work, api.Value(arguments))
			return err
		}
	case lua.LString:
		o.Name, o.Command = string(work), string(work)
	default:
		L.ArgError(2, "the name of a command or a function expected, got "+work.Type().String())
	}
	if options := L.OptTable(4, nil); options != nil {
		api.Raise(L, api.CheckOptions(options, "timeout"))
		if timeout := options.RawGetString("timeout"); timeout != lua.LNil {
			ms, ok := timeout.(lua.LNumber)
			if o.Timeout = api.Span(float64(ms)); !ok || o.Timeout <= 0 {
				L.ArgError(4, "timeout must be milliseconds above 0, up to a year")
			}
		}
	}
	p.promises.Room(L)
	t, err := p.host.Timer(o)
	api.Raise(L, err)
	if o.Run != nil {
		p.kept++
	}
	L.Push(api.Object(t, p.timers))
	return 1
}

func timerFields() []api.Field {
	get := func(of func(t Timer) lua.LValue) func(object any) lua.LValue {
		return func(object any) lua.LValue {
			if t, ok := object.(Timer); ok {
				return of(t)
			}
			return lua.LNil
		}
	}
	return []api.Field{
		{Name: "count", Type: "integer", Doc: "How often it has run.", Get: get(func(t Timer) lua.LValue { return lua.LNumber(t.Count()) })},
		{Name: "running", Type: "boolean", Doc: "Whether it is neither paused nor over.", Get: get(func(t Timer) lua.LValue { return lua.LBool(t.Running()) })},
	}
}

func timerMethods() []api.Function {
	return []api.Function{
		{Name: "pause", Signature: "()", Doc: "Keeps it from running until it is resumed.", Run: func(L *lua.LState) int {
			api.Self[Timer](L, "pause").Pause()
			return 0
		}},
		{Name: "resume", Signature: "()", Doc: "Lets it run again, after the time that was left.", Run: func(L *lua.LState) int {
			api.Raise(L, api.Self[Timer](L, "resume").Resume())
			return 0
		}},
		{Name: "cancel", Signature: "()", Doc: "Ends it for good.", Run: func(L *lua.LState) int {
			api.Self[Timer](L, "cancel").Cancel()
			return 0
		}},
	}
}
