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
	// Delay is the time before it may be taken.
	Delay time.Duration
	// Priority 0 is the most urgent.
	Priority uint32
}

// WorkerOptions are how the server takes jobs.
type WorkerOptions struct {
	Queue  string // "" means the queue of the settings
	Window int    // number of jobs that are held at once; 0 means that of the settings
}

// DefaultPriority is the default priority of jobs, as in engine/queue.
const DefaultPriority = 1024

// maxWindow is the limit of WorkerOptions.Window, as in the settings.
const maxWindow = 1024

// JobsOptions are the options of JobFunctions.
type JobsOptions struct {
	Wait api.Wait
	// Push starts to put a job. done is called once, by any goroutine, even after cancel.
	Push func(j Push, done func(id uint64, err error)) (cancel func())
	// SetWorker makes the server take jobs once the scripts have loaded.
	SetWorker func(w WorkerOptions) error
}

// JobFunctions are the functions of the module server that put and take jobs.
func JobFunctions(o JobsOptions) []api.Function {
	return []api.Function{
		{
			Name: "push", Signature: "(command: string, arguments?: table, options?: perigee.PushOptions): integer?, string?",
			Doc: "Puts a job on the queue, waits until it is there, and returns its number, or nil and the reason if it could not be put. A job is a command with arguments, which outlives the server if the queue does, and is tried again if the command raises an error. Arguments are a table with names, or nothing; anything else is an error.",
			Run: o.push,
		},
		{
			Name: "work", Signature: "(options?: perigee.WorkOptions)",
			Doc: "Makes the server take jobs from the queue once boot has ended. The base manager's boot calls it. Can be called only while scripts load or boot. An application that does not call it takes no jobs, nor does one with queue.driver set to off.",
			Run: o.work,
		},
	}
}

// JobOptions are the options of JobFunctions.
func JobOptions() []api.Kind {
	return []api.Kind{
		{Class: "PushOptions", Doc: "Options of server.push.", Fields: []api.Field{
			{
				Name: "delay?", Type: "number",
				Doc: "Milliseconds before it may be taken, up to a year. beanstalkd counts whole seconds, rounded up. Default: 0.",
			},
			{Name: "priority?", Type: "integer", Doc: "0 is the most urgent. A queue without priorities, such as a database, refuses any other than the default. Default: 1024."},
		}},
		{Class: "WorkOptions", Doc: "Options of server.work.", Fields: []api.Field{
			{Name: "queue?", Type: "string", Doc: "The name of the queue. Default: queue.name of the settings."},
			{Name: "window?", Type: "integer", Doc: "How many jobs are held at once, up to 1024. Default: queue.window of the settings."},
		}},
	}
}

// push is server.push.
func (o JobsOptions) push(L *lua.LState) int {
	j := Push{Command: api.CheckName(L, "command"), Priority: DefaultPriority}
	arguments := L.Get(2)
	if arguments == lua.LNil {
		arguments = L.NewTable()
	}
	var err error
	j.Arguments, err = value.Append(nil, arguments, value.Limits{})
	api.Raise(L, err)
	if j.Arguments[0] != '{' { // the only form that other programs can put, too
		L.ArgError(2, `arguments must be a table with names, as { name = "Mug" }, not `+kindOf(arguments))
	}
	if options := L.OptTable(3, nil); options != nil {
		api.Raise(L, api.CheckOptions(options, "delay", "priority"))
		if ms := options.RawGetString("delay"); ms != lua.LNil {
			n, ok := ms.(lua.LNumber)
			if j.Delay = api.Duration(float64(n)); !ok || j.Delay < 0 {
				L.ArgError(3, "delay must be milliseconds from 0 to a year")
			}
		}
		priority, err := integer(options, "priority", DefaultPriority, math.MaxUint32)
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
	return api.PushResult(L, lua.LNumber(id), failure)
}

// kindOf describes a value that is not a table with names.
func kindOf(v lua.LValue) string {
	switch v.Type() {
	case lua.LTTable:
		return "a list"
	case lua.LTUserData:
		return "null"
	default:
		return "a " + v.Type().String()
	}
}

// work is server.work.
func (o JobsOptions) work(L *lua.LState) int {
	var w WorkerOptions
	if options := L.OptTable(1, nil); options != nil {
		api.Raise(L, api.CheckOptions(options, "queue", "window"))
		switch name := options.RawGetString("queue").(type) {
		case *lua.LNilType:
		case lua.LString:
			w.Queue = string(name)
		default:
			L.ArgError(1, "queue must be a string")
		}
		window, err := integer(options, "window", 0, maxWindow)
		api.Raise(L, err)
		w.Window = int(window)
	}
	api.Raise(L, o.SetWorker(w))
	return 0
}

// integer returns an option that must be an integer from 0 to limit.
func integer(options *lua.LTable, name string, otherwise, limit float64) (float64, error) {
	given := options.RawGetString(name)
	if given == lua.LNil {
		return otherwise, nil
	}
	n, ok := given.(lua.LNumber)
	if v := float64(n); ok && v >= 0 && v <= limit && v == math.Trunc(v) {
		return v, nil
	}
	return 0, errors.New(name + " must be a whole number, 0 to " + lua.LNumber(limit).String())
}
