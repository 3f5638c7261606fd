package bind

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/loop"
	"perigee/engine/process"
	"perigee/engine/script/api"
	"perigee/engine/script/vm"
)

// ProcessesOptions are what the processes of a program need of it and of the loop.
type ProcessesOptions struct {
	VM *vm.VM
	// Generation is the number of the program's set of scripts, for the log.
	Generation int
	Log        *slog.Logger
	// Now is the loop's clock.
	Now func() time.Time
	// Turn runs something in a turn of the scripts' own; Post does so from another goroutine.
	Turn func(name string, run func())
	Post func(name string, run func()) error
	// Wait suspends the handler that L runs, as promise.Keeper has it.
	Wait      func(L *lua.LState, start func(wake func()) (callOff func()))
	Processes Starter
	// Before has the processes of the scripts that these shall replace: what their boot has started goes on under the
	// boot of these, where it starts the same. nil is nobody.
	Before *Processes
	// Rehearsal starts nothing.
	Rehearsal bool
}

// Starter starts programs; whoever made it ends them. A process.Supervisor is one.
type Starter interface {
	// Allowed returns the error of Start for what the settings do not allow.
	Allowed(r process.Request) error
	Start(r process.Request) (*process.Process, error)
}

var _ Starter = (*process.Supervisor)(nil)

// child is a process as scripts hold it. What happens to it comes in turns of its own, one after the other: the next is
// taken when the callback of the last has returned.
type child struct {
	owner   *Processes
	process *process.Process
	name    string
	request process.Request
	before  *child // whose process it takes over when the scripts run; nil once it has, or where it has one of its own
	moved   bool   // another has taken over

	onOutput, onError, onExit *lua.LFunction // nil where nobody wants to know

	complained time.Time // when a callback's failure was last logged
	unsaid     int       // failures since then

	over    bool // everything that happened to it has been told
	waiting map[*func()]bool
}

func (c *child) String() string { return "process (" + c.name + ")" }

// Functions are those of the module server.
func (ps *Processes) Functions() []api.Function {
	return []api.Function{
		{
			Name: "execute", Signature: "(name: string, options?: perigee.ProcessOptions): perigee.Process?, string?",
			Doc: "Starts a program that server.toml names; nil and the reason where it cannot be started.", Run: ps.execute,
		},
		{
			Name: "pipe", Signature: "(from: perigee.Process, to: perigee.Process)",
			Doc: "Leads the output of one process to the input of another; the end of one ends the other.", Run: ps.pipe,
		},
	}
}

// Kind is how scripts see a process.
func (ps *Processes) Kind() api.Kind {
	return api.Kind{
		Name: "process", Class: "Process", Doc: "A program that runs beside the server.", As: &ps.metatable,
		Fields: processFields(), Methods: ps.methods(),
	}
}

// ExecuteOptions are the options of server.execute.
func ExecuteOptions() api.Kind {
	return api.Kind{Class: "ProcessOptions", Doc: "What a program is started with.", Fields: []api.Field{
		{Name: "args?", Type: "string[]", Doc: "Added to its arguments, where the settings allow them."},
		{Name: "on_output?", Type: "fun(line: string)", Doc: "Hears each line that it writes."},
		{Name: "on_error?", Type: "fun(line: string)", Doc: "Hears each line that it writes to its standard error."},
		{Name: "on_exit?", Type: "fun(code: integer)", Doc: "Hears of its end."},
		{Name: "restart?", Type: "boolean", Doc: "Starts it again when it has ended, with growing pauses."},
	}}
}

func (ps *Processes) methods() []api.Function {
	return []api.Function{
		{Name: "write", Signature: "(text: string): boolean?, string?", Doc: "Writes to its input; nil and the reason where that cannot be.", Run: func(L *lua.LState) int {
			c := api.Self[*child](L, "write")
			return api.PushDone(L, sentence(c.process.Write(L.CheckString(2))))
		}},
		{Name: "wait", Signature: "(): integer?, string?", Doc: "Waits for its end and returns the exit code.", Run: ps.wait},
		{Name: "terminate", Signature: "()", Doc: "Ends it: SIGTERM, and SIGKILL 5 s later.", Run: func(L *lua.LState) int {
			api.Self[*child](L, "terminate").process.Terminate()
			return 0
		}},
	}
}

func processFields() []api.Field {
	get := func(of func(c *child) lua.LValue) func(object any) lua.LValue {
		return func(object any) lua.LValue {
			if c, ok := object.(*child); ok {
				return of(c)
			}
			return lua.LNil
		}
	}
	return []api.Field{
		{Name: "running", Type: "boolean", Doc: "Whether it runs.", Get: get(func(c *child) lua.LValue { return lua.LBool(c.process.Running()) })},
		{Name: "pid", Type: "integer", Doc: "The number that the system knows it by.", Get: get(func(c *child) lua.LValue { return lua.LNumber(c.process.PID()) })},
		{Name: "exit_code", Type: "integer?", Doc: "What it ended with; nil while it runs.", Get: get((*child).exitCode)},
	}
}

func (c *child) exitCode() lua.LValue {
	if code, exited := c.process.ExitCode(); exited {
		return lua.LNumber(code)
	}
	return lua.LNil
}

// sentence returns an error of package process as scripts get it.
func sentence(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(err.Error(), "process: "))
}

// execute starts a program that the settings name: a process, or nil and the reason why there is none.
func (ps *Processes) execute(L *lua.LState) int {
	c := &child{owner: ps, name: L.CheckString(1), waiting: map[*func()]bool{}}
	request := process.Request{Name: c.name, Ready: func() {
		// A loop that has ended needs nothing any more.
		_ = ps.options.Post("process "+c.name, c.deliver)
	}}
	if options := L.OptTable(2, nil); options != nil {
		api.Raise(L, api.CheckOptions(options, "args", "on_output", "on_error", "on_exit", "restart"))
		api.Raise(L, c.read(&request, options))
	}
	if err := ps.options.Processes.Allowed(request); err != nil {
		api.Raise(L, sentence(err))
	}
	c.request = request
	started, err := ps.find(c)
	if err != nil {
		return api.PushDone(L, sentence(err))
	}
	ps.start(c, started)
	L.Push(api.Object(c, ps.metatable))
	return 1
}

// read reads the options of execute.
func (c *child) read(request *process.Request, options *lua.LTable) error {
	for name, callback := range map[string]**lua.LFunction{
		"on_output": &c.onOutput, "on_error": &c.onError, "on_exit": &c.onExit,
	} {
		switch given := options.RawGetString(name).(type) {
		case *lua.LNilType:
		case *lua.LFunction:
			*callback = given
		default:
			return errors.New(name + " must be a function, not a " + given.Type().String())
		}
	}
	switch restart := options.RawGetString("restart").(type) {
	case *lua.LNilType:
	case lua.LBool:
		request.Restart = bool(restart)
	default:
		return errors.New("restart must be true or false, not a " + restart.Type().String())
	}
	request.Output, request.Errors = c.onOutput != nil, c.onError != nil
	switch args := options.RawGetString("args").(type) {
	case *lua.LNilType:
	case *lua.LTable:
		for i := 1; i <= args.Len(); i++ {
			arg := args.RawGetInt(i)
			if !lua.LVCanConvToString(arg) {
				return errors.New("args must be a list of strings; there is a " + arg.Type().String() + " in it")
			}
			request.Args = append(request.Args, arg.String())
		}
	default:
		return errors.New("args must be a list of strings, not a " + args.Type().String())
	}
	return nil
}

// deliver is a turn that tells the script one thing that happened, and has the next one told in another turn.
func (c *child) deliver() {
	if c.moved {
		return
	}
	event, ok := c.process.Take()
	if !ok {
		return
	}
	switch event.Kind {
	case process.Output:
		c.tell("on_output", c.onOutput, lua.LString(strings.TrimSuffix(event.Text, "\n")))
	case process.Errors:
		c.tell("on_error", c.onError, lua.LString(strings.TrimSuffix(event.Text, "\n")))
	case process.Exit:
		c.tell("on_exit", c.onExit, lua.LNumber(event.Code))
	case process.Over:
		c.over = true
		delete(c.owner.alive, c)
		for wake := range c.waiting {
			(*wake)()
		}
	}
	c.owner.options.Turn("process "+c.name, c.deliver)
}

// tell calls a callback.
func (c *child) tell(name string, callback *lua.LFunction, what lua.LValue) {
	if callback == nil {
		return
	}
	call := &api.Call{Name: "process " + c.name + " " + name}
	_, err := call.Run(c.owner.options.VM, 0, callback, what)
	if err != nil && !errors.Is(err, loop.ErrStopped) {
		c.complain(name, err)
	}
}

// complain logs that a callback failed, once a second at most: a program may say a line after the other.
func (c *child) complain(callback string, err error) {
	now := c.owner.options.Now()
	if !c.complained.IsZero() && now.Sub(c.complained) < time.Second {
		c.unsaid++
		return
	}
	fields := []any{
		"process", c.name, "callback", callback, "error", err, "unsaid", c.unsaid, "generation", c.owner.options.Generation,
	}
	c.complained, c.unsaid = now, 0
	if failure, ok := errors.AsType[*api.Error](err); ok {
		fields = append(fields, "traceback", failure.Traceback())
	}
	c.owner.options.Log.Error("script: a process's callback failed", fields...)
}

// wait waits until a process is over and all its lines have been told, and returns its exit code.
func (ps *Processes) wait(L *lua.LState) int {
	c := api.Self[*child](L, "wait")
	if ps.options.Rehearsal {
		c.process.Terminate()
	} else if !c.over {
		ps.options.Wait(L, func(wake func()) func() {
			c.waiting[&wake] = true
			return func() { delete(c.waiting, &wake) }
		})
	}
	L.Push(c.exitCode())
	return 1
}

// pipe has the output of one process go to the input of another.
func (ps *Processes) pipe(L *lua.LState) int {
	from, to := checkProcess(L, 1), checkProcess(L, 2)
	if err := process.Pipe(from.process, to.process); err != nil {
		api.Raise(L, sentence(err))
	}
	return 0
}

func checkProcess(L *lua.LState, n int) *child {
	c, ok := L.CheckUserData(n).Value.(*child)
	if !ok {
		L.ArgError(n, "a process expected")
	}
	return c
}
