package module

import (
	"errors"
	"math"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/value"
)

// Push is a job that a script puts on the queue.
type Push struct {
	Command   string
	Arguments []byte // JSON text
	// Delay before it is ready to be taken.
	Delay time.Duration
	// Priority: 0 is the most urgent.
	Priority uint32
}

// Work is how a script wants jobs to be taken.
type Work struct {
	Queue  string // the name of the queue; "" is that of the settings
	Window int    // jobs that are held at once; 0 is that of the settings
}

// DefaultPriority is that of jobs that need nothing special, as in engine/queue.
const DefaultPriority = 1024

// maxWindow is how many jobs may be held at once, as in the settings.
const maxWindow = 1024

// JobsOptions are what jobs need of the program that puts and takes them.
type JobsOptions struct {
	// Wait suspends the handler that L runs, as promise.Keeper has it.
	Wait func(L *lua.LState, start func(wake func()) (callOff func()))
	// Push begins to put a job. done is called once, by any goroutine; also after cancel, when nobody listens any more.
	Push func(j Push, done func(id uint64, err error)) (cancel func())
	// Work has jobs taken once the scripts have loaded; an error at any other time.
	Work func(w Work) error
}

// JobFunctions are those of the module server that put and take jobs.
func JobFunctions(o JobsOptions) []api.Function {
	return []api.Function{
		{
			Name: "push", Signature: "(command: string, arguments?: table, options?: perigee.PushOptions): integer?, string?",
			Doc: "Puts a job on the queue, waits until it is there, and returns its number; nil and the reason where it could not be put.",
			Run: o.push,
		},
		{
			Name: "work", Signature: "(options?: perigee.WorkOptions)",
			Doc: "Has jobs taken from the queue from the end of the boot on; the base manager's boot does it.",
			Run: o.work,
		},
	}
}

// JobOptions are the options of JobFunctions.
func JobOptions() []api.Kind {
	return []api.Kind{
		{Class: "PushOptions", Doc: "When a job is taken.", Fields: []api.Field{
			{Name: "delay?", Type: "number", Doc: "Milliseconds before it may be taken; beanstalkd counts whole seconds, rounded up."},
			{Name: "priority?", Type: "integer", Doc: "0 is the most urgent; 1024 where it is not given."},
		}},
		{Class: "WorkOptions", Doc: "Which jobs are taken.", Fields: []api.Field{
			{Name: "queue?", Type: "string", Doc: "The name of the queue; else queue.name of the settings."},
			{Name: "window?", Type: "integer", Doc: "How many jobs are held at once; else queue.window of the settings."},
		}},
	}
}

// push puts a job: command, arguments, options.
func (o JobsOptions) push(L *lua.LState) int {
	j := Push{Command: api.Name(L, "command"), Priority: DefaultPriority}
	arguments := L.Get(2)
	if arguments == lua.LNil {
		arguments = lua.LValue(L.NewTable())
	}
	var err error
	j.Arguments, err = value.Append(nil, arguments, value.Limits{})
	api.Raise(L, err)
	if j.Arguments[0] != '{' { // which other programs cannot put either
		L.ArgError(2, `arguments must be a table with names, as { name = "Mug" }, not `+kind(arguments))
	}
	if options := L.OptTable(3, nil); options != nil {
		api.Raise(L, api.CheckOptions(options, "delay", "priority"))
		if ms := options.RawGetString("delay"); ms != lua.LNil {
			n, ok := ms.(lua.LNumber)
			if j.Delay = api.Span(float64(n)); !ok || j.Delay < 0 {
				L.ArgError(3, "delay must be milliseconds from 0 to a year")
			}
		}
		priority, err := whole(options, "priority", DefaultPriority, math.MaxUint32)
		api.Raise(L, err)
		j.Priority = uint32(priority)
	}
	var id uint64
	var failure error
	o.Wait(L, func(wake func()) func() {
		return o.Push(j, func(n uint64, err error) {
			id, failure = n, err
			wake()
		})
	})
	if failure != nil {
		return api.PushDone(L, failure)
	}
	L.Push(lua.LNumber(id))
	return 1
}

// kind says what a value is that has no names.
func kind(v lua.LValue) string {
	switch v.Type() {
	case lua.LTTable:
		return "a list"
	case lua.LTUserData:
		return "null"
	default:
		return "a " + v.Type().String()
	}
}

// work has jobs taken: options.
func (o JobsOptions) work(L *lua.LState) int {
	var w Work
	if options := L.OptTable(1, nil); options != nil {
		api.Raise(L, api.CheckOptions(options, "queue", "window"))
		switch name := options.RawGetString("queue").(type) {
		case *lua.LNilType:
		case lua.LString:
			w.Queue = string(name)
		default:
			L.ArgError(1, "queue must be a string")
		}
		window, err := whole(options, "window", 0, maxWindow)
		api.Raise(L, err)
		w.Window = int(window)
	}
	api.Raise(L, o.Work(w))
	return 0
}

// whole returns an option that is a whole number from 0 to most; usual where it is not given.
func whole(options *lua.LTable, name string, usual, most float64) (float64, error) {
	given := options.RawGetString(name)
	if given == lua.LNil {
		return usual, nil
	}
	n, ok := given.(lua.LNumber)
	if v := float64(n); ok && v >= 0 && v <= most && v == math.Trunc(v) {
		return v, nil
	}
	return 0, errors.New(name + " must be a whole number, 0 to " + lua.LNumber(most).String())
}
