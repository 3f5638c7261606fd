package script

import (
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
)

// timer is server.every and, with once, server.after.
func (s *server) timer(L *lua.LState, once bool) int {
	o := TimerOptions{Every: api.CheckMilliseconds(L, 1), Once: once}
	if !once && o.Every < time.Millisecond {
		L.ArgError(1, "an interval of at least 1 ms expected")
	}
	o.Source, o.Arguments = api.CallSite(L), argument(L, 3)
	arguments := o.Arguments
	switch work := L.Get(2).(type) {
	case *lua.LFunction:
		o.Name, o.Ended = o.Source, s.turns.lifetime.timerEnded
		o.Run = func() error {
			_, err := s.turns.call(&api.Call{Name: "timer " + o.Name}, work, api.ToLua(arguments))
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
			if o.Timeout = api.Duration(float64(ms)); !ok || o.Timeout <= 0 {
				L.ArgError(4, "timeout must be milliseconds above 0, up to a year")
			}
		}
	}
	s.promises.CheckDeferred(L)
	t, err := s.host.Timer(o)
	api.Raise(L, err)
	if o.Run != nil {
		s.turns.lifetime.deferred++
	}
	return api.Push(L, api.NewObject(t, s.timers))
}

func timerFields() []api.Field {
	get := api.Getter[Timer]
	return []api.Field{
		{Name: "count", Type: "integer", Doc: "How often it has run, the present run included.", Get: get(func(t Timer) lua.LValue { return lua.LNumber(t.Count()) })},
		{Name: "running", Type: "boolean", Doc: "False while it is paused, and after its end.", Get: get(func(t Timer) lua.LValue { return lua.LBool(t.Running()) })},
	}
}

func timerMethods() []api.Function {
	return []api.Function{
		{Name: "pause", Signature: "()", Doc: "Pauses it until resume is called.", Run: api.Action("pause", Timer.Pause)},
		{Name: "resume", Signature: "()", Doc: "Continues a paused timer after the time that was left.", Run: func(L *lua.LState) int {
			api.Raise(L, api.Self[Timer](L, "resume").Resume())
			return 0
		}},
		{Name: "cancel", Signature: "()", Doc: "Ends it for good.", Run: api.Action("cancel", Timer.Cancel)},
	}
}
