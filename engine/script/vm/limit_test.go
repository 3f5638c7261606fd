package vm

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Ways in which a script may try not to end. Each is also run below pcall, xpcall and a coroutine.
func endless() []script {
	return []script{
		{name: "loop", source: `while true do end`},
		{name: "recursion", source: `local function f() return f() end f()`},
		{name: "pcall", source: `pcall(function() while true do end end) say("went on")`},
		{name: "pcall in a loop", source: `while true do pcall(function() while true do end end) end`},
		{name: "pcall of pcall", source: `pcall(pcall, function() while true do end end) say("went on")`},
		{name: "xpcall", source: `xpcall(function() while true do end end, function() say("went on") end) say("went on")`},
		{name: "xpcall handler", source: `xpcall(error, function() while true do end end) say("went on")`},
		{name: "coroutine", source: `coroutine.resume(coroutine.create(function() while true do end end)) say("went on")`},
		{name: "tail call of pcall", source: `return pcall(function() while true do end end)`},
		{name: "tail call of xpcall", source: `return xpcall(error, function() while true do end end)`},
		{name: "tail call of resume", source: `return coroutine.resume(coroutine.create(function() while true do end end))`},
		{name: "wrap", source: `pcall(coroutine.wrap(function() while true do end end)) say("went on")`},
		{name: "yields", source: `local f = coroutine.wrap(function() while true do coroutine.yield() end end) while true do f() end`},
		{name: "metamethod", source: `return setmetatable({}, {__index = function() while true do end end}).x`},
		{name: "iterator", source: `for _ in function() while true do end end do end`},
		{name: "sort", source: `table.sort({1, 2, 3}, function() while true do end end)`},
		{name: "gsub", source: `return (("x"):gsub("x", function() while true do end end))`},
		{name: "tostring", source: `return tostring(setmetatable({}, {__tostring = function() while true do end end}))`},
		{name: "error object", source: `error(setmetatable({}, {__tostring = function() while true do end end}))`},
		{name: "call", source: `call("inner", function() while true do end end) say("went on")`},
		{name: "pcall of call", source: `pcall(call, "inner", function() while true do end end) say("went on")`},
	}
}

// A slice that takes too long is aborted wherever it is. Nothing of the script runs afterwards, and the next call is unaffected.
func TestTimeout(t *testing.T) {
	m := start(t, Options{TurnTimeout: 30 * time.Millisecond})
	for _, s := range endless() {
		t.Run(s.name, func(t *testing.T) {
			o := m.run(t, s.source)
			// If the __tostring of an error object fails, that error is reported.
			if s.name != "error object" && !errors.Is(o.err, ErrTimeout) {
				t.Errorf("%s: got %v, want %v", s.source, o, ErrTimeout)
			}
			if o := m.runFor(t, time.Minute, `local n = 0 for i = 1, 1000 do n = n + i end return n`); o.String() != "500500" {
				t.Errorf("the call after: got %v, want 500500", o)
			}
		})
	}
	if len(m.said) > 0 {
		t.Errorf("scripts that were stopped said %q", m.said)
	}
}

// A slice in a Go function that does not return is reported once. One that returns late is not reported.
func TestHang(t *testing.T) {
	stuck := make(chan time.Duration, 2)
	m := start(t, Options{TurnTimeout: 30 * time.Millisecond, OnHang: func(held time.Duration) { stuck <- held }})
	m.State().SetGlobal("hang", m.State().NewFunction(func(*lua.LState) int {
		if held := <-stuck; held < minHang {
			t.Errorf("OnHang after %v, want at least %v", held, minHang)
		}
		return 0
	}))
	if o := m.run(t, `hang() say("went on")`); !errors.Is(o.err, ErrTimeout) {
		t.Errorf("a call that hung = %v, want %v", o, ErrTimeout)
	}
	if o := m.run(t, `while true do end`); !errors.Is(o.err, ErrTimeout) {
		t.Errorf("the call after = %v, want %v", o, ErrTimeout)
	}
	if len(stuck) > 0 || len(m.said) > 0 {
		t.Errorf("OnHang was called %d times more, and scripts said %q, want neither", len(stuck), m.said)
	}
}

// The time until a slice counts as hung is proportional to a long timeout; for a short one it is the time to unwind a stack.
func TestHangTicks(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		time.Millisecond: minHang, time.Second: minHang, 10 * time.Second: 40 * time.Second,
	} {
		if got := time.Duration(hangTicks(timeout)) * watchTime; got != want {
			t.Errorf("a slice of %v is stuck %v after its timeout, want %v", timeout, got, want)
		}
	}
}

// The error of an aborted slice has the place and the active functions, also those of the threads below.
func TestTimeoutTrace(t *testing.T) {
	m := start(t, Options{})
	o := m.run(t, `local function spin()
		while true do trip() end
	end
	pcall(function()
		spin()
	end)`)
	var e *Error
	if !errors.As(o.err, &e) {
		t.Fatalf("Call = %v, want an *Error", o)
	}
	if want := "test.lua:2: time limit exceeded"; e.Message != want {
		t.Errorf("Message: got %q, want %q", e.Message, want)
	}
	want := "test.lua:2: in function 'spin'\n" +
		"test.lua:5: in function <test.lua:4>\n" +
		"[Go]: in function 'pcall'\n" +
		"test.lua:4: in main chunk"
	if e.Traceback != want {
		t.Errorf("Traceback: got\n%s\nwant\n%s", e.Traceback, want)
	}
}

// A concatenation that would exceed the limit of a string is an error at its line that names the operator.
func TestConcatenationTooLong(t *testing.T) {
	m := start(t, Options{})
	o := m.run(t, `local s = "x"
	while true do
		s = s .. s
	end`)
	var e *Error
	if !errors.As(o.err, &e) {
		t.Fatalf("Call = %v, want an *Error", o)
	}
	if want := "test.lua:3: result of '..' is longer than 16777216 bytes"; e.Message != want {
		t.Errorf("Message: got %q, want %q", e.Message, want)
	}
	if want := "[Go]: in operator '..'\ntest.lua:3: in main chunk"; e.Traceback != want {
		t.Errorf("Traceback: got\n%s\nwant\n%s", e.Traceback, want)
	}
	o = m.run(t, `local function double(s) return s .. s end
	double(("x"):rep(1e7))`)
	if want := "error: test.lua:1: result of '..' is longer than 16777216 bytes"; o.String() != want {
		t.Errorf("at the end of a function: got %v, want %s", o, want)
	}
}

// Each call may have its own timeout; 0 without TurnTimeout means none.
func TestTimeoutOfCall(t *testing.T) {
	m := start(t, Options{})
	if o := m.runFor(t, 20*time.Millisecond, `while true do end`); !errors.Is(o.err, ErrTimeout) {
		t.Errorf("Call with a timeout: got %v, want %v", o, ErrTimeout)
	}
	if o := m.run(t, `for i = 1, 1e6 do end return "done"`); o.String() != "done" {
		t.Errorf("Call without a timeout: got %v, want done", o)
	}
}

// Waits that are refused do not extend the time that a slice may take.
func TestTimeoutOfRefusedWaits(t *testing.T) {
	m := start(t, Options{TurnTimeout: 30 * time.Millisecond, Await: func(func(func())) error { return errors.New("full") }})
	for _, source := range []string{`while true do pcall(wait) end`, `coroutine.wrap(function() while true do pcall(wait) end end)()`} {
		if o := m.run(t, source); !errors.Is(o.err, ErrTimeout) {
			t.Errorf("%s: got %v, want %v", source, o, ErrTimeout)
		}
	}
}

// A call is not charged for the time of its waits, however long others run meanwhile. It is charged for what it runs after one.
func TestTimeoutAfterWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, Options{TurnTimeout: 200 * time.Millisecond})
		m.State().SetGlobal("work", m.State().NewFunction(func(*lua.LState) int {
			time.Sleep(time.Second) // of the slice, by the clock of the bubble
			return 0
		}))
		patient := m.begin(t, `wait() return "patient"`)
		busy := m.begin(t, `wait() work() say("went on")`)
		protected := m.begin(t, `pcall(function() wait() work() end) say("went on")`)
		for range 2 {
			if o := m.run(t, `work()`); !errors.Is(o.err, ErrTimeout) {
				t.Errorf("busy call: got %v, want %v", o, ErrTimeout)
			}
		}
		m.wake(t)
		if o := await(t, patient); o.String() != "patient" {
			t.Errorf("call that waited while others ran: got %v, want patient", o)
		}
		for _, out := range []<-chan outcome{busy, protected} {
			if o := await(t, out); !errors.Is(o.err, ErrTimeout) {
				t.Errorf("call that runs on after its wait: got %v, want %v", o, ErrTimeout)
			}
		}
		if len(m.said) > 0 {
			t.Errorf("scripts that were stopped said %q", m.said)
		}
	})
}

// Abort aborts the running slice, every later one, and those that resume after a wait.
func TestAbort(t *testing.T) {
	m := start(t, Options{})
	running := make(chan struct{})
	m.State().SetGlobal("ready", m.State().NewFunction(func(*lua.LState) int {
		close(running)
		return 0
	}))
	waits := m.begin(t, `pcall(wait) say("went on")`)
	spins := m.begin(t, `ready() while true do pcall(function() while true do end end) end`)
	<-running
	m.Abort()
	m.wake(t)
	later := m.begin(t, `say("begun")`)
	for name, out := range map[string]<-chan outcome{"running": spins, "waiting": waits, "later": later} {
		if o := await(t, out); !errors.Is(o.err, ErrStopped) {
			t.Errorf("%s call after Abort: got %v, want %v", name, o, ErrStopped)
		}
	}
	if len(m.said) > 0 {
		t.Errorf("scripts that were aborted said %q", m.said)
	}
}

// A slice that has tripped cannot continue by waiting, nor by raising another error.
func TestTrippedCannotWait(t *testing.T) {
	m := start(t, Options{})
	m.State().SetGlobal("doze", m.State().NewFunction(func(L *lua.LState) int {
		m.limits.trip(m.limits.state.Load(), trippedTime)
		if err := m.Await(L, func(wake func()) { wake() }); !errors.Is(err, ErrTimeout) {
			t.Errorf("Await in a slice that has tripped = %v, want %v", err, ErrTimeout)
		}
		return 0
	}))
	m.State().SetGlobal("refuse", m.State().NewFunction(func(L *lua.LState) int {
		m.limits.trip(m.limits.state.Load(), trippedTime)
		panic(errorAt(L, "refused"))
	}))
	for _, source := range []string{`doze() say("went on")`, `refuse() say("went on")`} {
		if o := m.run(t, source); !errors.Is(o.err, ErrTimeout) {
			t.Errorf("%s: got %v, want %v", source, o, ErrTimeout)
		}
	}
}

// A late watcher trips nothing: neither the time between calls nor the next slice.
func TestTripIsExact(t *testing.T) {
	l := newLimits()
	l.begin(0)
	first := l.state.Load()
	l.end()
	idle := l.state.Load()
	l.trip(idle, trippedTime)
	if err := l.cause(); err != nil {
		t.Errorf("cause between slices = %v, want nil", err)
	}
	l.begin(time.Second)
	l.trip(first, trippedTime)
	l.trip(idle, trippedTime)
	if err := l.cause(); err != nil {
		t.Errorf("cause after a trip of another slice = %v, want nil", err)
	}
	l.trip(l.state.Load(), trippedMemory)
	l.trip(l.state.Load(), trippedTime)
	if err := l.cause(); !errors.Is(err, ErrMemory) {
		t.Errorf("cause = %v, want %v", err, ErrMemory)
	}
	if timeout := l.end(); timeout != time.Second {
		t.Errorf("end() = %v, want 1s", timeout)
	}
	if err := l.cause(); err != nil {
		t.Errorf("cause after the end = %v, want nil", err)
	}
	l.begin(0)
	if err := l.cause(); err != nil || l.done() != nil {
		t.Errorf("cause of the next slice = %v, want nil", err)
	}
}

// A held slice stops where it checks its limits, in Lua and in the library, until it is released or has tripped. One that ends
// meanwhile blocks nothing.
func TestHold(t *testing.T) {
	l := newLimits()
	l.begin(0)
	thread := &thread{limits: l, calls: depth{frames: &frames{}}}
	for _, trips := range []bool{false, true} {
		slice := l.state.Load()
		if !l.hold(slice) {
			t.Fatalf("hold(%x) = false, want true", slice)
		}
		var released atomic.Bool
		var asking sync.WaitGroup
		for _, ask := range []func() bool{
			func() bool { return thread.Done() != nil },
			func() bool { return thread.Err() != nil },
		} {
			asking.Go(func() {
				if ended := ask(); ended != trips || !released.Load() {
					t.Errorf("a held slice went on before its release, or with ended = %t, want %t", ended, trips)
				}
			})
		}
		for range 1000 {
			runtime.Gosched()
		}
		if trips {
			l.trip(slice, trippedMemory)
		}
		released.Store(true)
		l.release()
		asking.Wait()
	}
	if l.hold(l.state.Load()) {
		t.Error("hold of a slice that has tripped = true, want false")
	}
	l.end()
	if l.hold(l.state.Load()) {
		t.Error("hold between slices = true, want false")
	}
	l.begin(0)
	l.hold(l.state.Load())
	l.end()
	l.begin(0)
	if thread.Done() != nil {
		t.Error("the slice after a held one has tripped, want it to run")
	}
	l.release()
}

// A slice is not charged for the time that it is held.
func TestHeldTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, Options{TurnTimeout: 100 * time.Millisecond})
		m.State().SetGlobal("hold", m.State().NewFunction(func(*lua.LState) int {
			if !m.limits.hold(m.limits.state.Load()) {
				t.Error("hold of the slice that runs = false, want true")
				return 0
			}
			time.Sleep(time.Second)
			m.limits.release()
			time.Sleep(50 * time.Millisecond)
			if err := m.limits.cause(); err != nil {
				t.Errorf("cause after a second in which the slice was held = %v, want nil", err)
			}
			time.Sleep(time.Second)
			return 0
		}))
		if o := m.run(t, `hold()`); !errors.Is(o.err, ErrTimeout) {
			t.Errorf("a slice that goes on for a second after it was held = %v, want %v", o, ErrTimeout)
		}
	})
}
