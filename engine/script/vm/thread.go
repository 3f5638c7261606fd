package vm

import (
	"reflect"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Bounds of a thread, and of how deeply threads may stand on one another.
const (
	registrySize = 128     // values, at first
	registryMax  = 1 << 17 // values: 2 MiB
	registryKept = 2048    // values: a thread that has grown beyond is not used again

	// A Go stack holds at most 1 GiB and a Lua call through a metamethod takes about 1 KiB of it. A pcall in a pcall goes
	// on with the same Go stack, so the innermost threads are given fewer frames: some 45,000 frames on a stack at most.
	deepFrames = 1000 // Lua frames of a thread
	flatFrames = 200  // of a thread at or below flatDepth
	flatDepth  = 8
	maxDepth   = 190 // threads on one Go stack
)

// thread is a Lua thread with what its code runs under. It is also the thread's context.Context, which is how Go
// functions that are handed a Lua thread find it, and how gopher-lua asks, before each instruction, whether to go on.
type thread struct {
	// Set once.
	vm     *VM
	L      *lua.LState
	limits *limits
	entry  *lua.LFunction
	home   *pool

	// Set when it is borrowed.
	call  any        // of the Call that it runs under, unless guest
	guest bool       // runs under the Call of whoever resumed co
	co    *coroutine // on whose Go stack it runs; nil: on that of the outermost Call
	depth int        // how many threads stand below it

	// Of the present run.
	trace  bool   // a traceback is wanted
	failed *Error // how it ended
	killed bool   // it ended because its coroutine is let go
	broken bool   // a Go panic went through it
}

// Deadline, Done, Err and Value make it a context.Context, to be asked and never to be derived from.
func (t *thread) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done returns a closed channel once a limit has tripped, and nil until then. It takes as long as the slice is held.
func (t *thread) Done() <-chan struct{} { return t.limits.done() }

// Err returns the cause once a limit has tripped.
func (t *thread) Err() error {
	t.limits.pass()
	return t.limits.cause()
}

// Value returns nil.
func (t *thread) Value(any) any { return nil }

// threadOf returns nil for a Lua thread that is not one of ours.
func threadOf(L *lua.LState) *thread {
	t, _ := L.Context().(*thread)
	return t
}

// killed unwinds the Go stack of a coroutine that is let go.
type killed struct{}

// pool keeps idle threads: making one takes ten times as long as a typical call.
type pool struct {
	idle   []*thread
	frames int // of its threads
	most   int // how many may be idle
}

// shrink drops half of the idle threads, those that were used least lately.
func (p *pool) shrink() {
	p.idle = slices.Delete(p.idle, 0, len(p.idle)/2)
}

// borrow returns a thread for what outer's code calls: it runs under the same Call and on the same Go stack. outer is
// nil for the outermost call.
func (v *VM) borrow(outer *thread) *thread {
	depth := 0
	if outer != nil {
		depth = outer.depth + 1
	}
	p := &v.deep
	if depth >= flatDepth {
		p = &v.flat
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
		t.call, t.guest, t.co = outer.call, outer.guest, outer.co
	}
	return t
}

func (v *VM) newThread(p *pool) *thread {
	v.main.Options.CallStackSize = p.frames
	L, _ := v.main.NewThread() // nothing to cancel: the main thread has no context
	t := &thread{vm: v, L: L, limits: v.limits, home: p}
	t.entry = L.NewFunction(t.enter)
	L.SetContext(t)
	scrub(L)
	return t
}

// scrub overwrites the call frames that a new thread begins with: gopher-lua takes them from threads that have used
// them, with the functions that ran there, and those hold on to their variables.
func scrub(L *lua.LState) {
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

// giveBack makes a thread idle whose run is over and whose results are taken.
func (v *VM) giveBack(t *thread) {
	p := t.home
	if t.broken || len(p.idle) >= p.most || v.closed || v.layout.registry(t.L) > registryKept {
		return
	}
	t.L.SetTop(0)
	t.call, t.co, t.failed = nil, nil, nil
	p.idle = append(p.idle, t)
}

// push begins a call: the function first, then the caller pushes the arguments onto t.L, then run.
func (t *thread) push(fn lua.LValue) {
	t.L.Push(t.entry)
	t.L.Push(fn)
}

// run runs what was pushed. On success the results are all that is on t.L. On failure the thread has been given back.
func (t *thread) run(nargs, nret int, trace bool) *Error {
	v, outer := t.vm, t.vm.current
	v.enter(t)
	t.trace = trace
	// PCall empties the thread after a failure; enter has noted everything by then.
	err := t.L.PCall(nargs+1, nret, nil)
	v.enter(outer)
	if err == nil {
		return nil
	}
	if t.killed {
		panic(killed{})
	}
	failed := t.failed
	v.giveBack(t)
	return failed
}

// enter is the Go function at the bottom of every thread. It looks at a failure while the frames are still there.
func (t *thread) enter(L *lua.LState) int {
	defer t.rescue()
	if fn := L.Get(1); !callable(L, fn) {
		panic(refusal(L, "attempt to call a "+fn.Type().String()+" value"))
	}
	L.Call(L.GetTop()-1, lua.MultRet)
	return L.GetTop()
}

func callable(L *lua.LState, value lua.LValue) bool {
	if _, ok := value.(*lua.LFunction); ok {
		return true
	}
	_, ok := L.GetMetaField(value, "__call").(*lua.LFunction)
	return ok
}

func (t *thread) rescue() {
	value := recover()
	if value == nil {
		return
	}
	if _, ok := value.(killed); ok {
		t.killed = true
	} else {
		t.failed = t.fail(value)
	}
	t.closeUpvalues()
	panic(t.vm.unwound)
}

// closeUpvalues takes the variables that closures share with this thread off it, before it is emptied. gopher-lua does
// so where it raises an error itself, and only there; raising one is the only way to have it done.
func (t *thread) closeUpvalues() {
	defer func() { _ = recover() }()
	t.L.Error(lua.LNil, 0)
}

// layout is where gopher-lua keeps the values of a thread. There is no other way to see how much it has grown.
type layout struct{ reg, array int }

func newLayout() layout {
	l := layout{-1, -1}
	if f, ok := reflect.TypeFor[lua.LState]().FieldByName("reg"); ok {
		l.reg = f.Index[0]
		if f, ok := f.Type.Elem().FieldByName("array"); ok {
			l.array = f.Index[0]
		}
	}
	return l
}

// registry returns how many values L has room for; the most it may have if that cannot be seen.
func (l layout) registry(L *lua.LState) int {
	if l.array < 0 {
		return registryMax
	}
	return reflect.ValueOf(L).Elem().Field(l.reg).Elem().Field(l.array).Cap()
}
