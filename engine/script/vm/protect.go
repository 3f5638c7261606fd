package vm

import lua "github.com/yuin/gopher-lua"

// pcall (f, ...) answers true and the results, or false and the error.
func (v *VM) pcall(L *lua.LState) int {
	if L.GetTop() < 1 {
		panic(refusal(L, "bad argument #1 to 'pcall' (value expected)"))
	}
	t := v.nested(L)
	t.push(L.Get(1))
	return v.protect(L, t, 2, nil)
}

// xpcall (f, handler, ...) answers as pcall, with what handler makes of the error. The handler runs once f is unwound.
func (v *VM) xpcall(L *lua.LState) int {
	if L.GetTop() < 2 {
		panic(refusal(L, "bad argument #2 to 'xpcall' (value expected)"))
	}
	t := v.nested(L)
	t.push(L.Get(1))
	return v.protect(L, t, 3, L.Get(2))
}

// protect runs t with L's arguments from place first on, and answers L. An error of a slice that has to end is raised
// again, whatever it is: no script can go on by catching it.
func (v *VM) protect(L *lua.LState, t *thread, first int, handler lua.LValue) int {
	top := L.GetTop()
	for i := first; i <= top; i++ {
		t.L.Push(L.Get(i))
	}
	err := t.run(top-first+1, lua.MultRet, false)
	if err == nil {
		L.Push(lua.LTrue)
		return 1 + v.results(L, t)
	}
	if v.limits.cause() != nil {
		panic(err)
	}
	value := err.valueIn(L)
	if handler != nil {
		t = v.nested(L)
		t.push(handler)
		t.L.Push(value)
		if err = t.run(1, 1, false); err == nil {
			L.Push(lua.LFalse)
			return 1 + v.results(L, t)
		}
		if v.limits.cause() != nil {
			panic(err)
		}
		value = err.valueIn(L)
	}
	L.Push(lua.LFalse)
	L.Push(value)
	return 2
}

// nested returns a thread for what L's code calls, and raises an error where too many stand on one another already.
func (v *VM) nested(L *lua.LState) *thread {
	outer := threadOf(L)
	if outer.depth >= maxDepth {
		panic(refusal(L, overflowText))
	}
	return v.borrow(outer)
}

// results moves what t's run left to L, and returns how many values that were.
func (v *VM) results(L *lua.LState, t *thread) int {
	n := t.L.GetTop()
	for i := 1; i <= n; i++ {
		L.Push(t.L.Get(i))
	}
	v.giveBack(t)
	return n
}
