package vm

import (
	"context"
	"iter"
	"time"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// maxCoroutines is the number of coroutines that may have begun and not ended. Each holds a Lua thread and a Go stack, some
// 20 KiB.
const maxCoroutines = 10_000

// startWait begins the wait for which a coroutine leaves its Go stack; it is nil for an ordinary yield.
type startWait = func(wake func())

// coroutine is a Lua coroutine that runs as a Go coroutine.
//
// Scripts see its handle, a bare Lua thread on which nothing runs. The handle refers to the coroutine, but not the other way
// round: when no script can reach the handle, the garbage collector frees it, and the coroutine is released. If the coroutine's
// own function or variables refer to the handle, it is reachable from the coroutine's stack, which counts as alive: then the
// coroutine stays until it ends or the machine is closed.
type coroutine struct {
	vm      *VM
	handle  weak.Pointer[lua.LState]
	body    lua.LValue   // until it begins
	traced  bool         // errors are raised in the resumer, with their traceback
	over    bool         // returned, failed or was released
	resumer *thread      // the thread whose code has resumed it; nil while it is suspended
	level   int          // nesting of coroutines that have resumed one another
	values  []lua.LValue // passed in or out
	failed  *Error       // the error of the body
	waited  error        // the error of a wait

	next  func() (startWait, bool)
	stop  func()
	yield func(startWait) bool
}

// coroutines are those of a machine that have begun and not ended.
type coroutines struct {
	live      map[*coroutine]struct{}
	fruitless time.Time // when a collection last released few
}

type handleKey struct{}

// create (f) returns a new coroutine.
func (v *VM) create(L *lua.LState) int {
	L.Push(v.newHandle(L, "create", false))
	return 1
}

// wrap (f) returns a function that resumes a new coroutine and raises its errors.
func (v *VM) wrap(L *lua.LState) int {
	handle := v.newHandle(L, "wrap", true)
	L.Push(L.NewFunction(func(L *lua.LState) int {
		co := coroutineOf(handle)
		if err := v.resume(L, co, 1); err != nil {
			Raise(L, err)
		}
		return co.take(L)
	}))
	return 1
}

func (v *VM) newHandle(L *lua.LState, name string, traced bool) *lua.LState {
	body, ok := L.Get(1).(*lua.LFunction)
	if !ok {
		panic(argumentError(L, 1, name, "function"))
	}
	co := &coroutine{vm: v, body: body, traced: traced}
	handle := &lua.LState{G: v.main.G, Env: v.main.Env}
	handle.SetContext(context.WithValue(context.Background(), handleKey{}, co))
	co.handle = weak.Make(handle)
	return handle
}

func coroutineOf(handle *lua.LState) *coroutine {
	co, _ := handle.Context().Value(handleKey{}).(*coroutine)
	return co
}

// checkCoroutine returns the coroutine that is L's first argument.
func checkCoroutine(L *lua.LState, name string) *coroutine {
	handle, ok := L.Get(1).(*lua.LState)
	if !ok {
		panic(argumentError(L, 1, name, "coroutine"))
	}
	return coroutineOf(handle)
}

// resumeCoroutine (co, ...) returns true and the yielded or returned values, or false and the error.
func (v *VM) resumeCoroutine(L *lua.LState) int {
	co := checkCoroutine(L, "resume")
	if err := v.resume(L, co, 2); err != nil {
		L.Push(lua.LFalse)
		L.Push(err.valueFor(L))
		return 2
	}
	L.Push(lua.LTrue)
	return 1 + co.take(L)
}

// yieldCoroutine (...) returns the arguments of the next resume. Code of a Call within the coroutine cannot yield, just as it
// could not outside of a coroutine.
func (v *VM) yieldCoroutine(L *lua.LState) int {
	t := threadOf(L)
	if !t.inCoroutine {
		panic(errorAt(L, "attempt to yield from outside a coroutine"))
	}
	t.co.put(L, 1)
	t.co.switchOut(t, nil)
	return t.co.take(L)
}

// status (co) returns "running", "normal", "suspended" or "dead".
func (v *VM) status(L *lua.LState) int {
	L.Push(lua.LString(checkCoroutine(L, "status").word(threadOf(L))))
	return 1
}

// word returns the status as the code of a thread sees it.
func (co *coroutine) word(seen *thread) string {
	switch {
	case co.over:
		return "dead"
	case co.resumer == nil:
		return "suspended"
	case seen.co == co:
		return "running"
	}
	return "normal"
}

// running () returns the coroutine that calls it, or nil outside of any.
func (v *VM) running(L *lua.LState) int {
	if t := threadOf(L); t.inCoroutine {
		L.Push(t.co.handle.Value())
	} else {
		L.Push(lua.LNil)
	}
	return 1
}

// resume resumes a coroutine until it yields or ends. It passes L's values from index first on; the values that the coroutine
// passes back are in co.values. The error is that of the coroutine, or says why it was not resumed. If a limit of the slice has
// tripped, the error is raised at once.
func (v *VM) resume(L *lua.LState, co *coroutine, first int) *Error {
	t := threadOf(L)
	level := 1
	if t.co != nil {
		level += t.co.level
	}
	switch {
	case co.over || co.resumer != nil:
		text := lua.LString("cannot resume " + co.word(t) + " coroutine")
		return &Error{Value: text, bare: co.traced}
	case level > maxDepth || t.depth >= maxDepth:
		return errorAt(L, overflowText)
	case co.next == nil && !v.coroutines.admit(v, co):
		return errorAt(L, "too many coroutines")
	}
	co.put(L, first)
	co.resumer, co.level = t, level
	for {
		wait, more := co.next()
		v.setCurrent(t)
		if !more {
			v.coroutines.remove(co)
		}
		if wait == nil {
			break
		}
		co.waited = v.await(t, wait)
	}
	co.resumer = nil
	err := co.failed
	co.failed = nil
	if err != nil && v.limits.cause() != nil {
		panic(err)
	}
	return err
}

// run is the Go coroutine.
func (co *coroutine) run(yield func(startWait) bool) {
	defer func() {
		switch value := recover(); value.(type) {
		case nil, killed:
		default: // the arguments did not fit
			co.failed = &Error{Value: lua.LString(overflowText), bare: true}
		}
	}()
	co.yield = yield
	t := co.vm.getThread(co.resumer)
	t.call, t.inCoroutine, t.co = nil, true, co
	t.push(co.body)
	co.body = nil
	n := len(co.values)
	co.take(t.L)
	if co.failed = t.run(n, lua.MultRet, co.traced); co.failed == nil {
		co.put(t.L, 1)
		co.vm.putThread(t)
	}
}

// switchOut switches from t, on the coroutine's Go stack, to the code that resumed it. It returns when it is resumed again.
func (co *coroutine) switchOut(t *thread, wait startWait) {
	if !co.yield(wait) {
		panic(killed{})
	}
	co.vm.setCurrent(t)
}

func (co *coroutine) put(L *lua.LState, first int) {
	for i := first; i <= L.GetTop(); i++ {
		co.values = append(co.values, L.Get(i))
	}
}

func (co *coroutine) take(L *lua.LState) int {
	n := len(co.values)
	for _, value := range co.values {
		L.Push(value)
	}
	clear(co.values)
	co.values = co.values[:0]
	return n
}

// admit begins a coroutine, unless there are too many that cannot be released.
func (c *coroutines) admit(v *VM, co *coroutine) bool {
	v.cleanup()
	if len(c.live) >= maxCoroutines && time.Since(c.fruitless) > time.Second {
		v.collect()
		if len(c.live) > maxCoroutines/2 {
			c.fruitless = time.Now()
		}
	}
	if len(c.live) >= maxCoroutines {
		return false
	}
	if c.live == nil {
		c.live = map[*coroutine]struct{}{}
	}
	c.live[co] = struct{}{}
	co.next, co.stop = iter.Pull(co.run)
	return true
}

func (c *coroutines) remove(co *coroutine) {
	co.over = true
	delete(c.live, co)
}

// sweep releases coroutines whose handles have been freed.
func (c *coroutines) sweep(v *VM) {
	for co := range c.live {
		if co.handle.Value() == nil {
			c.release(v, co)
		}
	}
}

// release unwinds the Go stack of a suspended coroutine.
func (c *coroutines) release(v *VM, co *coroutine) {
	if co.resumer != nil {
		return
	}
	current := v.current
	co.stop()
	v.setCurrent(current)
	c.remove(co)
}
