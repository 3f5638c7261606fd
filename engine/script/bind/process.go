package bind

import (
	"errors"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/process"
	"perigee/engine/quota"
	"perigee/engine/script/api"
	"perigee/engine/script/operator"
)

// child is a process as scripts see it. Each of its events is a separate turn; the next event is taken when the callback of the
// last one has returned.
type child struct {
	owner   *Processes
	process *process.Process
	name    string
	request process.Request
	account *quota.Owner // on whose behalf it runs; a process of the server itself is an owner of its own
	from    *child       // the child whose process it takes over when the scripts start to run; nil afterwards, and if it started its own
	moved   bool         // another child has taken over its process

	onOutput, onError, onExit *lua.LFunction // optional

	failures logging.Throttle // of callbacks

	over    bool // all events have been delivered
	waiting map[*func()]bool
}

func (c *child) String() string { return "process (" + c.name + ")" }

// Functions are the entries of the module server.
func (ps *Processes) Functions() []api.Function {
	return []api.Function{
		{
			Name: "execute", Signature: "(name: string, options?: perigee.ProcessOptions): perigee.Process?, string?",
			Doc: "Starts the program of a section [processes.NAME] of server.toml. Returns the process, or nil and the reason: it cannot be started, eight processes run already, or the server is stopping. A name or an argument that the settings do not allow is an error. The program runs without a shell, in a process group of its own; the server's stop ends it with SIGTERM, and with SIGKILL 1.5 s later. In the dry run of a reload, and in perigee check, nothing is started.",
			Run: ps.execute,
		},
		{
			Name: "pipe", Signature: "(from: perigee.Process, to: perigee.Process)",
			Doc: "Sends the output of one process to the input of another, instead of to on_output. When the first ends, the input of the second is closed; when the second ends, the first is terminated. Call it in the turn that starts them, so that no output is lost. Raises an error if one of them is piped already.",
			Run: ps.pipe,
		},
	}
}

// Kind describes processes to scripts.
func (ps *Processes) Kind() api.Kind {
	return api.Kind{
		Name: "process", Class: "Process", Doc: "A program that runs beside the server.", Metatable: &ps.metatable,
		Fields: processFields(), Methods: ps.methods(),
	}
}

// ExecuteOptions are the options of server.execute.
func ExecuteOptions() api.Kind {
	return api.Kind{Class: "ProcessOptions", Doc: "Options of server.execute.", Fields: []api.Field{
		{
			Name: "args?", Type: "string[]",
			Doc: "A list of up to 64 strings, which follow the fixed arguments. Each must match processes.NAME.args as a whole, and may have 4 KiB.",
		},
		{
			Name: "on_output?", Type: "fun(line: string)",
			Doc: "Called with each line of the standard output, each in a turn of its own. Without it, the lines are dropped. A line longer than 64 KiB arrives in pieces. If the calls do not keep up, the program waits once 1 MiB has gathered.",
		},
		{Name: "on_error?", Type: "fun(line: string)", Doc: "The same for the standard error."},
		{Name: "on_exit?", Type: "fun(code: integer)", Doc: "Called with the exit code each time that the program has ended."},
		{
			Name: "restart?", Type: "boolean",
			Doc: "If true, starts the program again when it has ended by itself: after 1 s, then 2 s, up to 30 s; after a run of a minute, after 1 s again. Default: false.",
		},
	}}
}

func (ps *Processes) methods() []api.Function {
	return []api.Function{
		{
			Name: "write", Signature: "(text: string): boolean?, string?",
			Doc: "Writes to the standard input, without waiting. Returns true, or nil and the reason: the process has ended, its input is closed, or 1 MiB waits to be read.",
			Run: func(L *lua.LState) int {
				c := api.Self[*child](L, "write")
				return api.PushResult(L, lua.LTrue, c.process.Write(L.CheckString(2)))
			},
		},
		{Name: "wait", Signature: "(): integer?, string?", Doc: "Waits until the process has ended for good and its callbacks have run. Returns the exit code.", Run: ps.wait},
		{
			Name: "terminate", Signature: "()",
			Doc: "Ends the program and all that it has started with SIGTERM, and with SIGKILL 5 s later. It is not restarted.",
			Run: api.Action("terminate", func(c *child) { c.process.Terminate() }),
		},
	}
}

func processFields() []api.Field {
	get := api.Getter[*child]
	return []api.Field{
		{
			Name: "running", Type: "boolean",
			Doc: "Whether the program runs now. False in the pause before a restart.",
			Get: get(func(c *child) lua.LValue { return lua.LBool(c.process.Running()) }),
		},
		{Name: "pid", Type: "integer", Doc: "The process ID that it has, or had last.", Get: get(func(c *child) lua.LValue { return lua.LNumber(c.process.PID()) })},
		{
			Name: "exit_code", Type: "integer?",
			Doc: "The exit code, or 128 and the number of the signal that ended it: 143 after terminate. Nil before it has ended.",
			Get: get((*child).exitCode),
		},
	}
}

func (c *child) exitCode() lua.LValue {
	if code, exited := c.process.ExitCode(); exited {
		return lua.LNumber(code)
	}
	return lua.LNil
}

// execute is server.execute.
func (ps *Processes) execute(L *lua.LState) int {
	turns := ps.options.Turns
	c := &child{owner: ps, name: L.CheckString(1), account: turns.Owner(), waiting: map[*func()]bool{}}
	request := process.Request{Name: c.name, Ready: func() {
		// If the loop has ended no event is delivered.
		_ = turns.Post("process "+c.name, func() { turns.As(c.account, c.deliver) })
	}}
	if c.account != nil {
		request.Owner = c.account
	} else {
		c.account = quota.NewOwner(nil)
	}
	if options := L.OptTable(2, nil); options != nil {
		api.Raise(L, api.CheckOptions(options, "args", "on_output", "on_error", "on_exit", "restart"))
		c.read(L, &request, options)
	}
	api.Raise(L, ps.options.Starter.Check(request))
	c.request = request
	found, err := ps.find(c)
	if err == nil {
		ps.add(c, found)
	}
	return api.PushResult(L, api.NewObject(c, ps.metatable), err)
}

// read reads the options of server.execute and raises errors.
func (c *child) read(L *lua.LState, request *process.Request, options *lua.LTable) {
	var err error
	for name, callback := range map[string]**lua.LFunction{
		"on_output": &c.onOutput, "on_error": &c.onError, "on_exit": &c.onExit,
	} {
		*callback, err = api.Option[*lua.LFunction](options, name, "a function")
		api.Raise(L, err)
	}
	restart, err := api.Option[lua.LBool](options, "restart", "true or false")
	api.Raise(L, err)
	request.Restart, request.Output, request.Errors = bool(restart), c.onOutput != nil, c.onError != nil
	args, err := api.Option[*lua.LTable](options, "args", "a list of strings")
	api.Raise(L, err)
	for i := 1; args != nil && i <= args.Len(); i++ {
		arg := args.RawGetInt(i)
		if !lua.LVCanConvToString(arg) {
			L.RaiseError("args must be a list of strings; there is a %s in it", arg.Type())
		}
		request.Args = append(request.Args, operator.TextOf(arg))
	}
}

// deliver is a turn that delivers one event to the script, and queues the turn for the next one.
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
		c.call("on_output", c.onOutput, lua.LString(strings.TrimSuffix(event.Text, "\n")))
	case process.Errors:
		c.call("on_error", c.onError, lua.LString(strings.TrimSuffix(event.Text, "\n")))
	case process.Exit:
		c.call("on_exit", c.onExit, lua.LNumber(event.Code))
	case process.Finished:
		c.over = true
		delete(c.owner.alive, c)
		for wake := range c.waiting {
			(*wake)()
		}
	}
	c.owner.options.Turns.Defer("process "+c.name, c.deliver)
}

// call calls a callback, if there is one.
func (c *child) call(name string, callback *lua.LFunction, argument lua.LValue) {
	if callback == nil {
		return
	}
	call := &api.Call{Name: "process " + c.name + " " + name}
	_, err := call.Run(c.owner.options.VM, 0, callback, argument)
	if err != nil && !errors.Is(err, loop.ErrStopped) {
		c.logFailure(name, err)
	}
}

// logFailure logs that a callback failed, each callback once a second at most: it may fail for each of many lines.
func (c *child) logFailure(callback string, err error) {
	line := c.failures.Allow(callback, c.owner.options.Turns.Now())
	if !line.Allowed {
		return
	}
	fields := []any{
		"process", c.name, "callback", callback, "error", err, "suppressed", line.Suppressed, "generation", c.owner.options.Generation,
	}
	if failure, ok := errors.AsType[*api.Error](err); ok {
		fields = append(fields, "traceback", failure.Traceback())
	}
	c.owner.options.Log.Error("script: callback of a process failed", fields...)
}

// wait is process:wait. It also waits until all events have been delivered.
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
	return api.Push(L, c.exitCode())
}

// pipe is server.pipe.
func (ps *Processes) pipe(L *lua.LState) int {
	from, to := checkProcess(L, 1), checkProcess(L, 2)
	api.Raise(L, process.Pipe(from.process, to.process))
	return 0
}

func checkProcess(L *lua.LState, n int) *child {
	c, ok := L.CheckUserData(n).Value.(*child)
	if !ok {
		L.ArgError(n, "a process expected")
	}
	return c
}
