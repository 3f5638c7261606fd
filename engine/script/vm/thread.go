package vm

import (
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Limits of a thread and of the nesting of threads.
const (
	registrySize = 128     // values, at first
	registryMax  = 1 << 17 // values: 2 MiB
	registryKept = 2048    // values; a thread that has grown beyond is not reused

	// A Go stack holds at most 1 GiB, and a Lua call through a metamethod takes about 1 KiB of it. A pcall within a pcall uses
	// the same Go stack, so the innermost threads get fewer frames: a stack has at most some 45,000 of such calls. Other calls
	// take none of it: see depth.
	regularFrames = 1000 // Lua frames of a new thread
	shallowFrames = 200  // of a thread at shallowDepth or deeper
	shallowDepth  = 8
	maxDepth      = 190 // threads on one Go stack
)

// thread is a Lua thread with the state of its run. It is also the thread's context.Context: Go functions find it there, and
// gopher-lua asks it before each instruction whether to continue.
type thread struct {
	// Set once.
	vm     *VM
	L      *lua.LState
	limits *limits
	entry  *lua.LFunction
	pool   *pool
	calls  depth

	// Set when it is taken from its pool.
	call        any        // of the Call that it runs in, unless inCoroutine
	inCoroutine bool       // it runs in the Call of the code that resumed co
	co          *coroutine // on whose Go stack it runs; nil means that of the outermost Call
	depth       int        // number of threads below it

	// Of the current run.
	trace    bool   // a traceback is wanted
	failed   *Error // its error
	killed   bool   // it ended because its coroutine was released
	panicked bool   // a Go panic unwound it
}

// Deadline, Done, Err and Value implement context.Context. No context may be derived from it.
func (t *thread) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done returns a closed channel once a limit has tripped, and nil until then. It waits while the slice is held.
func (t *thread) Done() <-chan struct{} {
	if t.calls.hasMoved() {
		t.calls.check()
	}
	return t.limits.done()
}

// Err returns the cause once a limit has tripped.
func (t *thread) Err() error {
	t.limits.waitIfHeld()
	return t.limits.cause()
}

// Value returns nil.
func (t *thread) Value(any) any { return nil }

// threadOf returns the thread behind L, or nil if L is not one of ours.
func threadOf(L *lua.LState) *thread {
	t, _ := L.Context().(*thread)
	return t
}

// killed is the panic that unwinds the Go stack of a released coroutine.
type killed struct{}

// pool keeps idle threads for reuse: making one takes ten times as long as a typical call.
type pool struct {
	idle   []*thread
	frames int // of its threads
	most   int // number that may be idle
}

// shrink drops the least recently used half of the idle threads.
func (p *pool) shrink() { p.idle = slices.Delete(p.idle, 0, len(p.idle)/2) }

// getThread returns a thread for a call by outer's code, in the same Call and on the same Go stack. outer is nil for the
// outermost call.
func (v *VM) getThread(outer *thread) *thread {
	depth := 0
	if outer != nil {
		depth = outer.depth + 1
	}
	p := &v.regular
	if depth >= shallowDepth {
		p = &v.shallow
	}
	var t *thread
	if n := len(p.idle); n > 0 {
		t = p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
	} else {
		t = v.newThread(p)
	}
	t.depth = depth
	if outer != nil {
		t.call, t.inCoroutine, t.co = outer.call, outer.inCoroutine, outer.co
	}
	return t
}

func (v *VM) newThread(p *pool) *thread {
	v.main.Options.CallStackSize = p.frames
	L, _ := v.main.NewThread() // nothing to cancel: the main thread has no context
	t := &thread{vm: v, L: L, limits: v.limits, pool: p}
	t.entry = L.NewFunction(t.entryPoint)
	t.calls = newDepth(L)
	L.SetContext(t)
	clearFrames(L)
	return t
}

// clearFrames overwrites the call frames of a new thread. gopher-lua reuses frames of other threads, which still refer to the
// functions that ran there, and so to their variables.
func clearFrames(L *lua.LState) {
	left := lua.FramesPerSegment
	var down *lua.LFunction
	down = L.NewFunction(func(L *lua.LState) int {
		if left--; left > 0 {
			L.Push(down)
			L.Call(0, 0)
		}
		return 0
	})
	L.Push(down)
	L.Call(0, 0)
}

// putThread returns a thread to its pool after its results have been taken.
func (v *VM) putThread(t *thread) {
	p := t.pool
	if t.panicked || len(p.idle) >= p.most || v.closed || t.calls.hasGrown() {
		return
	}
	t.L.SetTop(0)
	t.calls.reset()
	t.call, t.co, t.failed = nil, nil, nil
	p.idle = append(p.idle, t)
}

// push begins a call. The caller then pushes the arguments onto t.L and calls run.
func (t *thread) push(fn lua.LValue) {
	t.L.Push(t.entry)
	t.L.Push(fn)
}

// run runs the pushed call. On success t.L has only the results. On failure the thread has been returned to its pool.
func (t *thread) run(nargs, nret int, trace bool) *Error {
	v, outer := t.vm, t.vm.current
	v.setCurrent(t)
	t.trace = trace
	// After a failure PCall empties the thread; entryPoint has recorded the error by then.
	err := t.L.PCall(nargs+1, nret, nil)
	v.setCurrent(outer)
	if err == nil {
		return nil
	}
	if t.killed {
		panic(killed{})
	}
	failed := t.failed
	v.putThread(t)
	return failed
}

// entryPoint is the Go function at the bottom of every thread. It records an error while the frames are still there.
func (t *thread) entryPoint(L *lua.LState) int {
	defer t.recoverError()
	if fn := L.Get(1); !isCallable(L, fn) {
		panic(&Error{Value: lua.LString("attempt to call a " + fn.Type().String() + " value")})
	}
	L.Call(L.GetTop()-1, lua.MultRet)
	return L.GetTop()
}

func isCallable(L *lua.LState, value lua.LValue) bool {
	if _, ok := value.(*lua.LFunction); ok {
		return true
	}
	_, ok := L.GetMetaField(value, "__call").(*lua.LFunction)
	return ok
}

func (t *thread) recoverError() {
	value := recover()
	if value == nil {
		return
	}
	if _, ok := value.(killed); ok {
		t.killed = true
	} else {
		t.failed = t.errorFrom(value)
	}
	t.closeUpvalues()
	panic(t.vm.unwound)
}

// closeUpvalues closes the upvalues of this thread before it is emptied. gopher-lua does so only when it raises an error itself,
// so this raises one.
func (t *thread) closeUpvalues() {
	defer func() { _ = recover() }()
	t.L.Error(lua.LNil, 0)
}
