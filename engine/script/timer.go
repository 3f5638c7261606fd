package script

import (
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// timer starts one: milliseconds, command or function, its arguments, and for a repeated one options.
func (p *Program) timer(L *lua.LState, once bool) int {
	o := TimerOptions{Every: milliseconds(L, 1), Once: once}
	if !once && o.Every < time.Millisecond {
		L.ArgError(1, "an interval of at least 1 ms expected")
	}
	arguments, started := argument(L, 3), Where(L)
	switch work := L.Get(2).(type) {
	case *lua.LFunction:
		o.Name = Where(L)
		o.Run = func() error {
			_, err := p.call(&call{name: "timer " + o.Name}, work, luaValue(arguments))
			return err
		}
	case lua.LString:
		o.Name = string(work)
		o.Run = func() error {
			_, err := p.host.Run(o.Name, arguments)
			if err != nil {
				return fmt.Errorf("timer at %s: %w", started, err)
			}
			return nil
		}
	default:
		L.ArgError(2, "the name of a command or a function expected, got "+work.Type().String())
	}
	if options := L.OptTable(4, nil); options != nil {
		raise(L, checkOptions(options, "timeout"))
		if timeout := options.RawGetString("timeout"); timeout != lua.LNil {
			ms, ok := timeout.(lua.LNumber)
			if o.Timeout = span(float64(ms)); !ok || o.Timeout <= 0 {
				L.ArgError(4, "timeout must be milliseconds above 0, up to a year")
			}
		}
	}
	L.Push(object(p.host.Timer(o), p.timers))
	return 1
}

func timerFields() []field {
	get := func(of func(t Timer) lua.LValue) func(object any) lua.LValue {
		return func(object any) lua.LValue {
			if t, ok := object.(Timer); ok {
				return of(t)
			}
			return lua.LNil
		}
	}
	return []field{
		{"count", "integer", "How often it has run.", get(func(t Timer) lua.LValue { return lua.LNumber(t.Count()) })},
		{"running", "boolean", "Whether it is neither paused nor over.", get(func(t Timer) lua.LValue { return lua.LBool(t.Running()) })},
	}
}

func timerMethods() []function {
	return []function{
		{"pause", "()", "Keeps it from running until it is resumed.", func(L *lua.LState) int {
			self[Timer](L, "pause").Pause()
			return 0
		}},
		{"resume", "()", "Lets it run again, after the time that was left.", func(L *lua.LState) int {
			raise(L, self[Timer](L, "resume").Resume())
			return 0
		}},
		{"cancel", "()", "Ends it for good.", func(L *lua.LState) int {
			self[Timer](L, "cancel").Cancel()
			return 0
		}},
	}
}
