package vm

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/loop"
	"perigee/engine/script/compile"
)

// machine is a VM on a loop. Both run until the end of the test. Its functions are called by the scripts of the tests.
type machine struct {
	*VM
	loop *loop.Loop
	stop func() // ends the loop and the watcher, and waits for them

	wakes []func() // of scripts that wait in `wait`; owned by the loop
	said  []string // by `say`; owned by the loop
}

func start(tb testing.TB, o Options) *machine {
	tb.Helper()
	m := &machine{loop: loop.New(loop.Options{})}
	if o.Stopped = loop.ErrStopped; o.Await == nil {
		o.Await = m.loop.Await
	}
	m.VM = New(o)
	m.register()
	var running, watching sync.WaitGroup
	// The watcher must outlive the loop: without it a script without end would go on for ever.
	run, cancelRun := context.WithCancel(context.WithoutCancel(tb.Context()))
	watch, cancelWatch := context.WithCancel(context.WithoutCancel(tb.Context()))
	running.Go(func() { m.loop.Run(run) })
	watching.Go(func() { m.Watch(watch) })
	m.stop = sync.OnceFunc(func() {
		cancelRun()
		running.Wait()
		cancelWatch()
		watching.Wait()
		m.Close()
	})
	tb.Cleanup(m.stop)
	return m
}

func (m *machine) register() {
	L := m.State()
	functions := map[string]lua.LGFunction{
		// say (...) records its arguments.
		"say": func(L *lua.LState) int {
			for i := 1; i <= L.GetTop(); i++ {
				m.said = append(m.said, L.ToStringMeta(L.Get(i)).String())
			}
			return 0
		},
		// pause () waits for one turn of the loop.
		"pause": func(L *lua.LState) int {
			if err := m.Await(L, func(wake func()) { m.loop.Next("wake", wake) }); err != nil {
				Raise(L, err)
			}
			L.Push(lua.LString("paused"))
			return 1
		},
		// wait () waits until the test wakes it.
		"wait": func(L *lua.LState) int {
			if err := m.Await(L, func(wake func()) { m.wakes = append(m.wakes, wake) }); err != nil {
				Raise(L, err)
			}
			return 0
		},
		// caller () returns the call argument.
		"caller": func(L *lua.LState) int {
			L.Push(lua.LString(fmt.Sprint(Caller(L))))
			return 1
		},
		// call (name, f, ...) is a Call within the Call.
		"call": func(L *lua.LState) int {
			var args []lua.LValue
			for i := 3; i <= L.GetTop(); i++ {
				args = append(args, L.Get(i))
			}
			result, err := m.Call(L.CheckString(1), 0, L.Get(2), args...)
			if err != nil {
				Raise(L, err)
			}
			L.Push(result)
			return 1
		},
		// trip () trips the slice, as the watcher does when the time is over.
		"trip": func(*lua.LState) int {
			m.limits.trip(m.limits.state.Load(), trippedTime)
			return 0
		},
		// crash () panics.
		"crash": func(*lua.LState) int {
			var nothing *machine
			nothing.said = nil
			return 0
		},
	}
	for name, f := range functions {
		L.SetGlobal(name, L.NewFunction(f))
	}
}

// compiled returns a script as a function.
func (m *machine) compiled(tb testing.TB, source string) *lua.LFunction {
	tb.Helper()
	proto, err := compile.Compile("test.lua", []byte(source))
	if err != nil {
		tb.Fatalf("compile %s: %v", source, err)
	}
	return m.State().NewFunctionFromProto(proto)
}

// outcome is the result of a call.
type outcome struct {
	value string
	err   error
}

func (o outcome) String() string {
	if o.err != nil {
		return "error: " + o.err.Error()
	}
	return o.value
}

// turn runs f on the loop and waits for its end.
func (m *machine) turn(tb testing.TB, f func()) {
	tb.Helper()
	done := make(chan struct{})
	if err := m.loop.Post("test", func() { defer close(done); f() }); err != nil {
		tb.Fatalf("Post: %v", err)
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		tb.Fatal("a turn has not ended within a minute")
	}
}

// run runs a script as a turn and waits for its end.
func (m *machine) run(tb testing.TB, source string) outcome {
	tb.Helper()
	return m.runFor(tb, 0, source)
}

func (m *machine) runFor(tb testing.TB, timeout time.Duration, source string) outcome {
	tb.Helper()
	var o outcome
	fn := m.compiled(tb, source)
	m.turn(tb, func() {
		value, err := m.Call("call", timeout, fn)
		o = outcome{value.String(), err}
	})
	return o
}

// begin posts a script as a turn and returns the channel of its outcome.
func (m *machine) begin(tb testing.TB, source string) <-chan outcome {
	tb.Helper()
	out := make(chan outcome, 1)
	fn := m.compiled(tb, source)
	err := m.loop.Post("test", func() {
		value, err := m.Call("call", 0, fn)
		out <- outcome{value.String(), err}
	})
	if err != nil {
		tb.Fatalf("Post: %v", err)
	}
	return out
}

// wake wakes every script that waits.
func (m *machine) wake(tb testing.TB) {
	tb.Helper()
	m.turn(tb, func() {
		for _, wake := range m.wakes {
			wake()
		}
		m.wakes = nil
	})
}

// await returns an outcome.
func await(tb testing.TB, out <-chan outcome) outcome {
	tb.Helper()
	select {
	case o := <-out:
		return o
	case <-time.After(time.Minute):
		tb.Fatal("a call has not ended within a minute")
		return outcome{}
	}
}

// script is a script and the expected result.
type script struct{ name, source, want string }

func runAll(t *testing.T, m *machine, scripts []script) {
	t.Helper()
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			if got := m.run(t, s.source).String(); got != s.want {
				t.Errorf("%s\ngot  %s\nwant %s", s.source, got, s.want)
			}
		})
	}
}

// A call passes its arguments and returns the first result; an error has its place and a traceback.
func TestCall(t *testing.T) {
	m := start(t, Options{})
	runAll(t, m, []script{
		{"result", `return 1, 2`, "1"},
		{"nothing", `local x = 1`, "nil"},
		{"error", `error("oh")`, "error: test.lua:1: oh"},
		{"without place", "\nerror('oh', 0)", "error: test.lua:2: oh"},
		{"in a function", "local function f()\nlocal x = nil + 1\nend\nf()", "error: test.lua:2: attempt to perform arithmetic on a nil value"},
		{"nil", `error(nil)`, "error: test.lua:1: (error object is a nil value)"},
		{"table", `error({code = 5, reason = "tired"})`, `error: test.lua:1: {"code":5,"reason":"tired"}`},
		{"table of functions", `error({print})`, "error: test.lua:1: (error object is a table value)"},
		{"__tostring", `error(setmetatable({}, {__tostring = function() return "said" end}))`, "error: test.lua:1: said"},
		{"__tostring raises", `error(setmetatable({}, {__tostring = error}))`, "error: test.lua:1: (error object is a table value)"},
		{"__tostring of no string", `error(setmetatable({}, {__tostring = function() return {} end}))`, "error: test.lua:1: (error object is a table value)"},
		{"__tostring waits", `error(setmetatable({}, {__tostring = function() return pause() end}))`, "error: test.lua:1: paused"},
		{"Go panic", "\ncrash()", "error: test.lua:2: internal error"},
	})
	m.turn(t, func() {
		id := m.State().NewFunction(func(L *lua.LState) int { return 1 })
		if got, err := m.Call(nil, 0, id, lua.LNumber(1), lua.LNumber(2)); got != lua.LNumber(2) || err != nil {
			t.Errorf("Call(id, 1, 2) = %v, %v, want 2, nil", got, err)
		}
		if _, err := m.Call(nil, 0, lua.LNil); err == nil || err.Error() != "attempt to call a nil value" {
			t.Errorf("Call(nil) = %v, want an error", err)
		}
	})
}
