// Package vm owns one Lua machine: its threads, its protected calls, its limits of time and memory, and waits. It replaces
// pcall, xpcall and the coroutine library, because they decide which thread runs what. It must not know the server, messages or
// the loop.
//
// Every call runs on a separate Lua thread from a pool: the call itself, a function under pcall, and the body of a coroutine.
// gopher-lua tears down a whole thread when an error is caught, so an error must never be caught on a thread that continues. A
// coroutine is also a Go coroutine: it can yield, and it can wait, below any Go function.
//
// A slice is the time from the outermost call, or the end of a wait, to the end of the call or the next wait. At any moment at
// most one slice runs. Limits apply to a slice, so that no call is charged for the time that it waits.
//
// Only the goroutine that runs Lua, which is that of the loop, may call the methods, except Watch and Abort.
package vm

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/stdlib"
)

// Options are the limits of a machine and the functions that it calls. The zero value is usable.
type Options struct {
	// TurnTimeout bounds the time that one slice may take, to within some 20 ms. 0 means no limit.
	TurnTimeout time.Duration
	// Memory is the live heap of the process, in bytes, above which the running slice is aborted. 0 means no limit. With garbage
	// the heap may reach twice as much, plus what a script allocates in a few milliseconds. Go stacks are not included: those of
	// scripts that recurse in thousands of coroutines may take two to three times as much.
	Memory uint64
	// OnHang is called once, by the watcher, for a slice that its limits could not abort because it is inside of a Go function
	// that does not return. held is the time that it has taken. The machine will run nothing more. Optional.
	OnHang func(held time.Duration)
	// Print and Now are used by the functions print, os.time and the like.
	Print func(string)
	Now   func() time.Time
	// Await suspends the turn until wake is called, as loop.(*Loop).Await does. If it is nil, waiting is an error. If it returns
	// an error without having called start, it refuses the wait, which a script may handle. Any other error means that the wait
	// was aborted, which ends the call.
	Await func(start func(wake func())) error
	// OnRun is called with the call argument of a Call whose code may have changed values: when it has ended, before it begins another
	// Call, and before it waits. sliceEnds is false if other code of the slice follows. Optional.
	OnRun func(call any, sliceEnds bool)
	// Stopped is the error of Await if no wait will be fulfilled any more. It ends the call even if start was not called.
	// Optional.
	Stopped error
}

// Causes of an Error that scripts cannot catch.
var (
	// ErrTimeout means that a slice took too long.
	ErrTimeout = errors.New("time limit exceeded")
	// ErrMemory means that the process used too much memory while the slice ran.
	ErrMemory = errors.New("memory limit exceeded")
	// ErrStopped means that a wait was aborted because the loop ends.
	ErrStopped = errors.New("stopped while waiting")
)

// Errors of calls that were not made.
var (
	// ErrClosed is returned by Call after Close.
	ErrClosed = errors.New("vm: closed")
	// ErrCannotWait is returned by Await if the machine has no Options.Await, or if no call runs.
	ErrCannotWait = errors.New("vm: cannot wait here")
)

// VM is one Lua machine.
type VM struct {
	// Set by New, never changed.
	options Options
	main    *lua.LState
	limits  *limits
	unwound *lua.ApiError // unwinds the thread of a failed call
	raisers [2]lua.LValue // error and assert, which raise their argument

	// Owned by the goroutine that runs Lua.
	current          *thread // the thread whose code runs; nil between calls and while waiting
	regular, shallow pool
	coroutines       coroutines
	calls            int // calls that have begun and not ended
	closed           bool

	// Set by the watcher after a garbage collection. Any goroutine.
	collected atomic.Bool
}

// gopher-lua fills an array with nils up to its highest index below this bound. With its default of 67 million, a number from
// outside that is used as an index takes seconds and gigabytes. The variable belongs to the whole process, so it is set before
// any goroutine can read it.
func init() { lua.MaxArrayIndex = 1 << 20 }

// New returns a machine with the standard library. The owner closes it.
func New(o Options) *VM {
	v := &VM{
		options: o,
		main: lua.NewState(lua.Options{
			RegistrySize:        registrySize,
			RegistryMaxSize:     registryMax,
			RegistryGrowStep:    512,
			CallStackSize:       regularFrames,
			SkipOpenLibs:        true,
			MinimizeStackMemory: true,
		}),
		limits:  newLimits(),
		unwound: &lua.ApiError{Type: lua.ApiErrorRun, Object: lua.LNil, StackTrace: "vm: see the thread"},
		regular: pool{frames: regularFrames, most: 256},
		shallow: pool{frames: shallowFrames, most: 32},
	}
	// Without this, gopher-lua takes the first thread that runs for the main one.
	v.main.G.MainThread = v.main
	v.main.G.CurrentThread = v.main
	v.open()
	return v
}

// State returns the main thread, to make tables, functions and userdata with. No Lua must run on it.
func (v *VM) State() *lua.LState { return v.main }

// Call runs a function on a separate thread and returns its first result. Caller returns call to Go functions that the
// function calls. timeout bounds each slice; 0 means Options.TurnTimeout. A call within a call is part of the outer one's slice
// and ignores timeout. The error is an *Error or ErrClosed.
func (v *VM) Call(call any, timeout time.Duration, fn lua.LValue, args ...lua.LValue) (lua.LValue, error) {
	if v.closed {
		return lua.LNil, ErrClosed
	}
	outer := v.current
	if outer == nil {
		if timeout == 0 {
			timeout = v.options.TurnTimeout
		}
		v.cleanup()
		v.calls++
		v.limits.begin(timeout)
		defer v.endCall()
	} else if outer.depth >= maxDepth {
		return lua.LNil, v.describe(errorAt(outer.L, overflowText), outer, call)
	} else if v.options.OnRun != nil {
		v.options.OnRun(Caller(outer.L), false)
	}
	t := v.getThread(outer)
	t.call, t.inCoroutine = call, false
	t.push(fn)
	for _, arg := range args {
		t.L.Push(arg)
	}
	err := t.run(len(args), 1, true)
	if v.options.OnRun != nil {
		v.options.OnRun(call, outer == nil)
	}
	if err != nil {
		return lua.LNil, v.describe(err, outer, call)
	}
	result := t.L.Get(1)
	v.putThread(t)
	return result, nil
}

// endCall ends the slice of the outermost call. If it was aborted for its memory, the memory is freed now, so that the next
// call is not aborted for it.
func (v *VM) endCall() {
	v.calls--
	overMemory := errors.Is(v.limits.cause(), ErrMemory)
	v.limits.end()
	if overMemory {
		v.regular.idle, v.shallow.idle = nil, nil
		v.collect()
	}
}

// Calls returns the number of calls that have begun and not ended. At most one runs; the others wait.
func (v *VM) Calls() int { return v.calls }

// cleanup drops coroutines that no script can reach, and half of the idle threads, which keep in memory the functions and
// values that ran on them last. It does nothing if there was no garbage collection since the last time.
func (v *VM) cleanup() {
	if !v.collected.Load() {
		return
	}
	v.collected.Store(false)
	v.coroutines.sweep(v)
	v.regular.shrink()
	v.shallow.shrink()
}

// collect collects garbage and cleans up at once.
func (v *VM) collect() {
	runtime.GC()
	v.collected.Store(true)
	v.cleanup()
}

// Caller returns the call argument of the Call that L's code runs in; for a coroutine, that of the code that resumed it. It
// returns nil if there is none.
func Caller(L *lua.LState) any {
	t := threadOf(L)
	for t != nil && t.inCoroutine {
		t = t.co.resumer
	}
	if t == nil {
		return nil
	}
	return t.call
}

// Close ends the remaining coroutines. No call may be running or waiting.
func (v *VM) Close() {
	v.closed = true
	for co := range v.coroutines.live {
		v.coroutines.release(v, co)
	}
	v.regular.idle, v.shallow.idle = nil, nil
}

// open sets up the standard library.
func (v *VM) open() {
	stdlib.Open(v.main, stdlib.Options{Print: v.options.Print, Now: v.options.Now})
	v.raisers = [2]lua.LValue{v.main.GetGlobal("error"), v.main.GetGlobal("assert")}
	v.main.SetGlobal("pcall", v.main.NewFunction(v.pcall))
	v.main.SetGlobal("xpcall", v.main.NewFunction(v.xpcall))
	coroutine := v.main.SetFuncs(v.main.NewTable(), map[string]lua.LGFunction{
		"create":  v.create,
		"resume":  v.resumeCoroutine,
		"running": v.running,
		"status":  v.status,
		"wrap":    v.wrap,
		"yield":   v.yieldCoroutine,
	})
	v.main.SetGlobal("coroutine", stdlib.Shared{Name: "coroutine", Contents: coroutine}.Table(v.main))
}

// setCurrent notes the thread whose code runs from now on; nil for none.
func (v *VM) setCurrent(t *thread) {
	v.current = t
	if t == nil {
		v.main.G.CurrentThread = v.main
	} else {
		v.main.G.CurrentThread = t.L
	}
}
