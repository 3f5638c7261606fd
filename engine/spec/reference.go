package spec

import (
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
)

// Description describes the globals and modules of specs, besides the modules of scripts. Its tables also register them.
func Description() api.Description {
	f := (*file)(nil) // no function is called
	return api.Description{
		Modules: []api.Module{{
			Name: "spec", Doc: "Clients, a clock and fakes of other programs for specs.", Functions: f.moduleFunctions(),
		}},
		Kinds:        []api.Kind{f.clientKind(), expectOptions(), dropOptions(), resumeOptions(), answerOptions(), programOptions(), programReaction()},
		GlobalsTitle: "Globals of specs",
		GlobalsDoc:   "What a spec finds without require. require finds spec, json, crypto, jwt, and those scripts that need no server. print writes below an example that fails.",
		Globals:      slices.Concat(f.structureFunctions(), f.itFunctions(), f.assertFunctions()),
	}
}

func (f *file) moduleFunctions() []api.Function {
	return []api.Function{
		{
			Name: "manager", Signature: "(name: string)",
			Doc: "Chooses the manager of all examples of the file, instead of that of the settings. Call it at the top of the file.",
			Run: f.setManager,
		},
		{
			Name: "start", Signature: "()",
			Doc: "Loads the scripts and runs their boot, as the first call of an example that needs the server does by itself. Raises an error if they do not load. Fakes that boot meets must be added before.",
			Run: f.start,
		},
		{
			Name: "stop", Signature: "()",
			Doc: "Stops the server as SIGTERM does: the stop hook runs, on the spec's clock, and the clients are closed with 1001.",
			Run: f.stop,
		},
		{
			Name: "client", Signature: "(fields?: table): perigee.TestClient, table?",
			Doc: "Opens a client and takes its ConnectionEstablished. Then the connection gets the fields: admin, type, name, email, user, roles, data, or fields of your own. request is the request with which it connects: { path, query, headers, cookies, origin, user_agent, protocols }. If the connect hook refuses that, it returns nil and a table with status and reason.",
			Run: f.openClient,
		},
		{Name: "advance", Signature: "(ms: number)", Doc: "Moves the clock, and runs everything that falls due on the way. Up to a year at once.", Run: f.advance},
		{Name: "run", Signature: "(command: string, arguments?: any): any", Doc: "Runs a command and returns its result. A command that waits for the clock is an error.", Run: f.runCommand},
		{Name: "state", Signature: "(name: string): table?", Doc: "Returns a copy of a state of the scripts, or nil if there is none.", Run: f.state},
		{
			Name: "http", Signature: "(url: string, answer?: perigee.AnswerOptions)",
			Doc: "Answers the scripts' requests to a URL, in which * stands for any text. Without options the answer is an empty 200. Of several answers the last one given is used. Outside of examples it answers in each example of the group, or of the file, from its boot on. A request to another URL fails the example.",
			Run: f.http,
		},
		{
			Name: "process", Signature: "(name: string, program?: perigee.ProgramOptions)",
			Doc: "Adds a fake of a program that the settings name, since specs start none. It prints its lines once everything else at that moment has happened, and ends. It is never restarted. Outside of examples it is added in each example of the group, or of the file, from its boot on. A program without a fake fails the example.",
			Run: f.process,
		},
		{
			Name: "job", Signature: "(body: string, tube?: string)",
			Doc: "Puts a job as another program does, with any body, on the queue of the settings or on that of the name. spec.work does it.",
			Run: f.putJob,
		},
		{
			Name: "jobs", Signature: "(): table[]",
			Doc: "Returns the jobs that have not been done, in the order of the queue, each with command, arguments, delay and priority; one of spec.job has its body instead of command and arguments.",
			Run: f.jobList,
		},
		{Name: "work", Signature: "(): integer", Doc: "Does the jobs that are due, and returns their number. A job that fails is not tried again.", Run: f.runJobs},
		{Name: "errors", Signature: "(): string[]", Doc: "Returns what has failed in the scripts since the last call. These errors no longer fail the example.", Run: f.errors},
		{
			Name: "reload", Signature: "(directory?: string): true?, string?",
			Doc: "Reloads the scripts, without the dry run; from another directory beside that of the scripts if one is given. Returns true, or nil and the reason why the old scripts go on.",
			Run: f.reload,
		},
	}
}

func (f *file) clientKind() api.Kind {
	return api.Kind{
		Name: "client", Class: "TestClient", Doc: "A client in a spec.",
		Fields: []api.Field{
			{Name: "uuid", Type: "string", Doc: "The uuid of its connection."},
			{Name: "connection", Type: "table", Doc: "The fields that its connection had when it was new."},
			{Name: "connected", Type: "boolean", Doc: "False after drop, until resume, and once the connection is closed."},
			{Name: "closed", Type: "table?", Doc: "code and reason once the server has closed it; nil before."},
		},
		Methods: []api.Function{
			{
				Name: "send", Signature: "(name: string, fields?: table)\n(message: table)",
				Doc: "Sends a message. Everything that follows from it at that moment happens before the call returns.",
				Run: f.send,
			},
			{
				Name: "expect", Signature: "(name: string, fields?: table, options?: perigee.ExpectOptions): table",
				Doc: "Takes the next frame and returns it. It must have that name and at least those fields; a list must have as many items as expected. Skips UpdateConnections, ConnectionChanged, ConnectionGone, PresenceChanged and CurrentUptime unless it is asked for them, because these depend on the clock; a list of connections that was not read is replaced by the next.",
				Run: f.expect,
			},
			{
				Name: "drop", Signature: "(options?: perigee.DropOptions)",
				Doc: "Loses the connection without closing it, as when the network fails. The drop hook runs; what the client is sent from then on is kept. If it does not come back within resume.lost, or resume.left, which spec.advance passes, the close hook runs.",
				Run: f.drop,
			},
			{
				Name: "resume", Signature: "(options?: perigee.ResumeOptions): boolean?, table?",
				Doc: "Comes back. If it gets its connection back, the resume hook runs, and it returns true if the client gets all that it missed, as its next frames; false if its page was loaded anew, so that frames it has not taken are gone. It returns nil if the connection is a new one, with another uuid: the client was away for too long, or connect names another user. If connect refuses the client, it returns nil and a table with status and reason. Without drop before, the server notices the loss at the return.",
				Run: f.resume,
			},
			{Name: "expect_nothing", Signature: "()", Doc: "Fails if there is a frame left, except those that expect skips.", Run: f.expectNothing},
			{Name: "close", Signature: "()", Doc: "Closes the connection from the side of the client.", Run: f.closeClient},
		},
	}
}

func expectOptions() api.Kind {
	return api.Kind{Class: "ExpectOptions", Doc: "Options of client:expect in specs.", Fields: []api.Field{
		{Name: "skip?", Type: "boolean", Doc: "If true, frames that have another name or other fields are passed over. Default: false."},
	}}
}

func dropOptions() api.Kind {
	return api.Kind{Class: "DropOptions", Doc: "Options of client:drop in specs.", Fields: []api.Field{
		{Name: "left?", Type: "boolean", Doc: "If true, the page was left or is loaded anew, so that resume.left counts instead of resume.lost. Default: false."},
	}}
}

func resumeOptions() api.Kind {
	return api.Kind{Class: "ResumeOptions", Doc: "Options of client:resume in specs.", Fields: []api.Field{
		{Name: "fresh?", Type: "boolean", Doc: "If true, the page was loaded anew and has forgotten everything but who it is, as after F5. Default: false."},
		{Name: "request?", Type: "table", Doc: "The request with which it comes back, as for spec.client. Default: the one with which it connected."},
	}}
}

func answerOptions() api.Kind {
	return api.Kind{Class: "AnswerOptions", Doc: "Options of spec.http.", Fields: []api.Field{
		{Name: "status?", Type: "integer", Doc: "Default: 200."},
		{Name: "headers?", Type: "table<string, string>", Doc: "By name."},
		{Name: "body?", Type: "string", Doc: "The body."},
		{Name: "json?", Type: "table", Doc: "Answered as JSON, instead of a body."},
		{Name: "reason?", Type: "string", Doc: "Why there is no answer, one of the reasons of http.request. Not together with the others."},
	}}
}

func programOptions() api.Kind {
	return api.Kind{Class: "ProgramOptions", Doc: "Options of spec.process.", Fields: []api.Field{
		{Name: "output?", Type: "string[]", Doc: "Lines of the standard output."},
		{Name: "errors?", Type: "string[]", Doc: "Lines of the standard error."},
		{Name: "exit_code?", Type: "integer", Doc: "0 to 255. Default: 0."},
		{Name: "running?", Type: "boolean", Doc: "If true, it runs until it is terminated. Default: false."},
		{
			Name: "on_input?", Type: "fun(text: string): perigee.ProgramReaction?",
			Doc: "Called with each text that is written to the program, and returns what the program does then. With it, the program runs until it is terminated or a reaction ends it.",
		},
		{Name: "reason?", Type: "string", Doc: "Why it cannot be started. Not together with the others."},
	}}
}

func programReaction() api.Kind {
	return api.Kind{Class: "ProgramReaction", Doc: "What the fake of a program does with its input.", Fields: []api.Field{
		{Name: "output?", Type: "string[]", Doc: "Lines of the standard output."},
		{Name: "errors?", Type: "string[]", Doc: "Lines of the standard error."},
		{Name: "exit_code?", Type: "integer", Doc: "0 to 255, if the program ends now. Default: it goes on."},
	}}
}

// structureFunctions are the globals that divide a file into examples.
func (f *file) structureFunctions() []api.Function {
	return []api.Function{
		{Name: "describe", Signature: "(name: string, fn: fun())", Doc: "Groups examples under a name. Groups can be nested.", Run: f.describe},
		{
			Name: "it", Signature: "(name: string, fn: fun())",
			Doc: "Adds an example. It runs on a new server of its own, without sockets, whose clock stands at the start of 2026 until the spec moves it, or until a boot waits. The scripts load and boot at the first call that needs them, and at the end of the example at the latest. An error in the scripts fails the example, too.",
			Run: f.it,
		},
		{Name: "before_each", Signature: "(fn: fun())", Doc: "Runs a function before each example of the group, or of the file.", Run: f.around(func(s *suite) *[]lua.LValue { return &s.before })},
		{Name: "after_each", Signature: "(fn: fun())", Doc: "Runs a function after each example of the group, or of the file.", Run: f.around(func(s *suite) *[]lua.LValue { return &s.after })},
	}
}

// itFunctions are the fields of the global it.
func (f *file) itFunctions() []api.Function {
	return []api.Function{{
		Name: "it.pending", Signature: "(name: string, fn?: fun())",
		Doc: "Names an example that does not run yet. The report lists it.",
		Run: f.pending,
	}}
}

// assertFunctions are the global assert itself, which is Lua's own, and the functions in its fields.
func (f *file) assertFunctions() []api.Function {
	return []api.Function{
		{Name: "assert", Signature: "(value: any, message?: any): any", Doc: "Lua's own: raises the message if the value is nil or false, else returns its arguments."},
		{Name: "assert.same", Signature: "(expected: any, actual: any)", Doc: "Compares two values deeply, and lists the differences.", Run: assertSame},
		{Name: "assert.equal", Signature: "(expected: any, actual: any)", Doc: "Compares two values as == does.", Run: assertEqual},
		{Name: "assert.is_true", Signature: "(value: any)", Doc: "Fails unless the value is true.", Run: assertThat("true", func(v lua.LValue) bool { return v == lua.LTrue })},
		{Name: "assert.is_false", Signature: "(value: any)", Doc: "Fails unless the value is false.", Run: assertThat("false", func(v lua.LValue) bool { return v == lua.LFalse })},
		{Name: "assert.is_nil", Signature: "(value: any)", Doc: "Fails unless the value is nil.", Run: assertThat("nothing", func(v lua.LValue) bool { return v == lua.LNil })},
		{Name: "assert.is_not_nil", Signature: "(value: any)", Doc: "Fails if the value is nil.", Run: assertThat("something", func(v lua.LValue) bool { return v != lua.LNil })},
		{
			Name: "assert.has_error", Signature: "(fn: fun(), text?: string): string",
			Doc: "Fails unless the function raises an error that contains the text. Returns the error.",
			Run: f.assertError,
		},
		{Name: "assert.matches", Signature: "(pattern: string, text: string)", Doc: "Fails unless the text matches a pattern of Lua.", Run: assertMatches},
	}
}
