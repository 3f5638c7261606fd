package script

import (
	"errors"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/loop"
	"perigee/engine/process"
)

// child is a process as scripts hold it. What happens to it comes in turns of its own, one after the other: the next is
// taken when the callback of the last has returned.
type child struct {
	program *Program
	process *process.Process
	name    string

	onOutput, onError, onExit *lua.LFunction // nil where nobody wants to know

	complained time.Time // when a callback's failure was last logged
	unsaid     int       // failures since then

	over    bool // everything that happened to it has been told
	waiting map[*func()]bool
}

func (c *child) String() string { return "process (" + c.name + ")" }

// processFunctions are those of the module server.
func (p *Program) processFunctions() []function {
	return []function{
		{
			"execute", "(name: string, options?: perigee.ProcessOptions): perigee.Process?, string?",
			"Starts a program that server.toml names; nil and the reason where it cannot be started.", p.execute,
		},
		{
			"pipe", "(from: perigee.Process, to: perigee.Process)",
			"Leads the output of one process to the input of another; the end of one ends the other.", p.pipe,
		},
	}
}

func (p *Program) processMethods() []function {
	return []function{
		{"write", "(text: string): boolean?, string?", "Writes to its input; nil and the reason where that cannot be.", func(L *lua.LState) int {
			c := self[*child](L, "write")
			return pushDone(L, c.process.Write(L.CheckString(2)))
		}},
		{"wait", "(): integer?, string?", "Waits for its end and returns the exit code.", p.waitProcess},
		{"terminate", "()", "Ends it: SIGTERM, and SIGKILL 5 s later.", func(L *lua.LState) int {
			self[*child](L, "terminate").process.Terminate()
			return 0
		}},
	}
}

func processFields() []field {
	get := func(of func(c *child) lua.LValue) func(object any) lua.LValue {
		return func(object any) lua.LValue {
			if c, ok := object.(*child); ok {
				return of(c)
			}
			return lua.LNil
		}
	}
	return []field{
		{"running", "boolean", "Whether it runs.", get(func(c *child) lua.LValue { return lua.LBool(c.process.Running()) })},
		{"pid", "integer", "The number that the system knows it by.", get(func(c *child) lua.LValue { return lua.LNumber(c.process.PID()) })},
		{"exit_code", "integer?", "What it ended with; nil while it runs.", get((*child).exitCode)},
	}
}

func (c *child) exitCode() lua.LValue {
	if code, exited := c.process.ExitCode(); exited {
		return lua.LNumber(code)
	}
	return lua.LNil
}

// pushDone returns true, or nil and the reason.
func pushDone(L *lua.LState, err error) int {
	if err == nil {
		L.Push(lua.LTrue)
		return 1
	}
	L.Push(lua.LNil)
	L.Push(lua.LString(strings.TrimPrefix(err.Error(), "process: ")))
	return 2
}

// execute starts a program that the settings name: a process, or nil and the reason why there is none.
func (p *Program) execute(L *lua.LState) int {
	c := &child{program: p, name: L.CheckString(1), waiting: map[*func()]bool{}}
	request := process.Request{Name: c.name, Ready: func() {
		// A loop that has ended needs nothing any more.
		_ = p.options.Post("process "+c.name, c.deliver)
	}}
	if options := L.OptTable(2, nil); options != nil {
		raise(L, checkOptions(options, "args", "on_output", "on_error", "on_exit", "restart"))
		raise(L, c.read(&request, options))
	}
	if err := p.options.Processes.Allowed(request); err != nil {
		L.RaiseError("%s", strings.TrimPrefix(err.Error(), "process: "))
	}
	started, err := p.options.Processes.Start(request)
	if err != nil {
		return pushDone(L, err)
	}
	c.process = started
	p.turn("process "+c.name, started.Begin)
	L.Push(object(c, p.processes))
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
	defer c.program.host.Roster() // as at the end of every turn
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
		for wake := range c.waiting {
			(*wake)()
		}
	}
	c.program.options.Next("process "+c.name, c.deliver)
}

// tell calls a callback.
func (c *child) tell(name string, callback *lua.LFunction, what lua.LValue) {
	if callback == nil {
		return
	}
	_, err := c.program.call(&call{name: "process " + c.name + " " + name}, callback, what)
	if err != nil && !errors.Is(err, loop.ErrStopped) {
		c.complain(name, err)
	}
}

// complain logs that a callback failed, once a second at most: a program may say a line after the other.
func (c *child) complain(callback string, err error) {
	now := c.program.host.Now()
	if !c.complained.IsZero() && now.Sub(c.complained) < time.Second {
		c.unsaid++
		return
	}
	fields := []any{
		"process", c.name, "callback", callback, "error", err, "unsaid", c.unsaid, "generation", c.program.options.Generation,
	}
	c.complained, c.unsaid = now, 0
	if failure, ok := errors.AsType[*Error](err); ok {
		fields = append(fields, "traceback", failure.Traceback())
	}
	c.program.options.Log.Error("script: a process's callback failed", fields...)
}

// waitProcess waits until a process is over and all its lines have been told, and returns its exit code.
func (p *Program) waitProcess(L *lua.LState) int {
	c := self[*child](L, "wait")
	if !c.over {
		p.wait(L, p.options.AwaitTimeout, func(wake func()) func() {
			c.waiting[&wake] = true
			return func() { delete(c.waiting, &wake) }
		})
	}
	L.Push(c.exitCode())
	return 1
}

// pipe has the output of one process go to the input of another.
func (p *Program) pipe(L *lua.LState) int {
	from, to := checkProcess(L, 1), checkProcess(L, 2)
	if err := process.Pipe(from.process, to.process); err != nil {
		L.RaiseError("%s", strings.TrimPrefix(err.Error(), "process: "))
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
