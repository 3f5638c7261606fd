// Package vm owns one Lua machine: its threads, its protected calls, the time and memory that they may take, and
// waiting. It replaces pcall, xpcall and the coroutine library, because those decide which thread runs what. It knows
// no server, no message and no loop; whoever owns the machine hands it a function that waits.
//
// Every call runs on a Lua thread of its own, taken from a pool: the call itself, what pcall protects, and the body of
// a coroutine. gopher-lua tears down a whole thread when an error is caught, so an error must never be caught on a
// thread that goes on. A coroutine is also a Go coroutine: it can yield, and it can wait, below any Go function.
//
// A slice is the time from the outermost call, or the end of a wait, to the end of the call or the next wait. At any
// moment at most one slice runs. Limits are those of a slice, so that no call pays for what it waits.
//
// All methods but Watch belong to the goroutine that runs Lua at the moment: the turns of the loop.
package vm

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/compile"
	"perigee/engine/script/stdlib"
)

// Options are what a machine may use and what it gets from its owner. The zero value is usable.
type Options struct {
	// TurnTimeout is how long one slice may hold the machine. 0 is no limit. It is kept to within some 20 ms.
	TurnTimeout time.Duration
	// Memory is how many bytes of live heap the process may have before the slice that runs is stopped. 0 is no limit. With
	// garbage the heap has twice as much at most, and what a script makes of it in a few milliseconds. Go stacks come on top
	// of it: of scripts that recurse in thousands of coroutines, two to three times as much.
	Memory uint64
	// OnHang is called once for a slice that its limits could not stop, since it is inside of a Go function that does not
	// return, with the time that it has taken. Nothing of the machine will run any more. It is called by the
	// watcher; nil is nobody.
	OnHang func(held time.Duration)
	// Print and Now are what the library prints with and tells the time by.
	Print func(string)
	Now   func() time.Time
	// Await suspends the turn until wake is called, as loop.(*Loop).Await does. Where nil, waiting is an error. An error
	// that it returns without having called start refuses the wait, which a script may handle; any other means that the
	// wait was cut off, which ends the call.
	Await func(start func(wake func())) error
	// Stopped is what Await returns when no wait will be fulfilled any more: it ends the call even when start was not
	// called. May be nil.
	Stopped error
}

// Causes of an Error that no script can catch.
var (
	// ErrTimeout says that a slice took longer than it may.
	ErrTimeout = errors.New("vm: time limit exceeded")
	// ErrMemory says that the process had more memory than it may while the slice ran.
	ErrMemory = errors.New("vm: memory limit exceeded")
	// ErrStopped says that a wait was cut off because the loop ends.
	ErrStopped = errors.New("vm: stopped while waiting")
)

// Errors of calls that were not made.
var (
	// ErrClosed is returned by Call after Close.
	ErrClosed = errors.New("vm: closed")
	// ErrCannotWait is returned by Await where the machine has no Options.Await, or no call runs.
	ErrCannotWait = errors.New("vm: cannot wait here")
)

// VM is one Lua machine.
type VM struct {
	// Set by New, never changed.
	options Options
	main    *lua.LState
	layout  layout
	limits  *limits
	unwound *lua.ApiError // what a failed call unwinds its thread with
	raisers [2]lua.LValue // the functions that raise what they are given: error and assert

	// Owned by the goroutine that runs Lua.
	current    *thread // whose code runs now; nil between calls and while waiting
	deep, flat pool
	coroutines coroutines
	calls      int // that have begun and not ended
	closed     bool

	// The watcher has seen a collection. Any goroutine.
	collected atomic.Bool
}

// gopher-lua fills an array with nils up to its highest index below this bound: with its own bound of 67 million a
// number from outside, used as an index, takes seconds and gigabytes. It is a variable of the whole process, so that it
// is set before any goroutine can read it.
func init() { lua.MaxArrayIndex = 1 << 20 }

// New returns a machine with the standard library. The owner closes it.
func New(o Options) *VM {
	v := &VM{
		options: o,
		main: lua.NewState(lua.Options{
			RegistrySize:        registrySize,
			RegistryMaxSize:     registryMax,
			RegistryGrowStep:    512,
			CallStackSize:       deepFrames,
			SkipOpenLibs:        true,
			MinimizeStackMemory: true,
		}),
		layout:  newLayout(),
		limits:  newLimits(),
		unwound: &lua.ApiError{Type: lua.ApiErrorRun, Object: lua.LNil, StackTrace: "vm: see the thread"},
		deep:    pool{frames: deepFrames, most: 256},
		flat:    pool{frames: flatFrames, most: 32},
	}
	// gopher-lua takes the first thread that runs for the main one, if it is not told.
	v.main.G.MainThread = v.main
	v.main.G.CurrentThread = v.main
	v.open()
	return v
}

// State returns the main thread: tables, functions and userdata are made with it. No Lua must ever run on it.
func (v *VM) State() *lua.LState { return v.main }

// Call runs a function on a thread of its own and returns its first result. call is what Caller will tell of it.
// timeout is the time that each slice may take, 0 for Options.TurnTimeout; a call within a call belongs to the slice of
// the outer one, whatever its own timeout. The error is an *Error, or ErrClosed.
func (v *VM) Call(call any, timeout time.Duration, fn lua.LValue, args ...lua.LValue) (lua.LValue, error) {
	if v.closed {
		return lua.LNil, ErrClosed
	}
	outer := v.current
	if outer == nil {
		if timeout == 0 {
			timeout = v.options.TurnTimeout
		}
		v.tidy()
		v.calls++
		v.limits.begin(timeout)
		defer v.endCall()
	} else if outer.depth >= maxDepth {
		return lua.LNil, v.describe(refusal(outer.L, overflowText), outer, call)
	}
	t := v.borrow(outer)
	t.call, t.guest = call, false
	t.push(fn)
	for _, arg := range args {
		t.L.Push(arg)
	}
	if err := t.run(len(args), 1, true); err != nil {
		return lua.LNil, v.describe(err, outer, call)
	}
	result := t.L.Get(1)
	v.giveBack(t)
	return result, nil
}

// endCall ends the slice of the outermost call. What a call took that was stopped for its memory is given back before
// another call is blamed for it.
func (v *VM) endCall() {
	v.calls--
	greedy := errors.Is(v.limits.cause(), ErrMemory)
	v.limits.end()
	if greedy {
		v.deep.idle, v.flat.idle = nil, nil
		v.collect()
	}
}

// Calls returns how many calls have begun and not ended: at most one runs, the others wait.
func (v *VM) Calls() int { return v.calls }

// tidy lets go of what a collection has shown to be needless, if there was one since: coroutines that no script can
// reach, and idle threads, which hold on to what ran on them last, where fewer would do.
func (v *VM) tidy() {
	if !v.collected.Load() {
		return
	}
	v.collected.Store(false)
	v.coroutines.sweep(v)
	v.deep.shrink()
	v.flat.shrink()
}

// collect does all that at once.
func (v *VM) collect() {
	runtime.GC()
	v.collected.Store(true)
	v.tidy()
}

// Caller returns the call argument of the Call that L's code runs under: for a coroutine, that of whoever resumed it.
// It returns nil where there is none.
func Caller(L *lua.LState) any {
	t := threadOf(L)
	for t != nil && t.guest {
		t = t.co.resumer
	}
	if t == nil {
		return nil
	}
	return t.call
}

// Close ends the coroutines that are left. No call may be running or waiting.
func (v *VM) Close() {
	v.closed = true
	v.coroutines.close(v)
	v.deep.idle, v.flat.idle = nil, nil
}

// open installs the library.
func (v *VM) open() {
	stdlib.Open(v.main, stdlib.Options{Print: v.options.Print, Now: v.options.Now})
	v.raisers = [2]lua.LValue{v.main.GetGlobal("error"), v.main.GetGlobal("assert")}
	v.main.SetGlobal(compile.Concat, v.main.NewFunction(stdlib.Concat))
	v.main.SetGlobal("pcall", v.main.NewFunction(v.pcall))
	v.main.SetGlobal("xpcall", v.main.NewFunction(v.xpcall))
	v.main.SetGlobal("coroutine", v.main.SetFuncs(v.main.NewTable(), map[string]lua.LGFunction{
		"create":  v.create,
		"resume":  v.resumeCoroutine,
		"running": v.running,
		"status":  v.status,
		"wrap":    v.wrap,
		"yield":   v.yieldCoroutine,
	}))
}

// enter notes whose code runs from now on; nil is nobody's.
func (v *VM) enter(t *thread) {
	v.current = t
	if t == nil {
		v.main.G.CurrentThread = v.main
	} else {
		v.main.G.CurrentThread = t.L
	}
}
