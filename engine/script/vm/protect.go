package vm

import lua "github.com/yuin/gopher-lua"

// pcall (f, ...) returns true and the results, or false and the error.
func (v *VM) pcall(L *lua.LState) int {
	if L.GetTop() < 1 {
		panic(errorAt(L, "bad argument #1 to 'pcall' (value expected)"))
	}
	return v.protectedCall(L, 2, nil)
}

// xpcall (f, handler, ...) returns the same as pcall, with the result of handler in place of the error, or a fixed text if the
// handler fails. The handler runs after f has been unwound.
func (v *VM) xpcall(L *lua.LState) int {
	if L.GetTop() < 2 {
		panic(errorAt(L, "bad argument #2 to 'xpcall' (value expected)"))
	}
	return v.protectedCall(L, 3, L.Get(2))
}

// protectedCall calls L's first argument with those from index first on, and returns to L. If a limit of the slice has tripped the error
// is raised again: no script can continue by catching it.
func (v *VM) protectedCall(L *lua.LState, first int, handler lua.LValue) int {
	t, top := v.nestedThread(L), L.GetTop()
	t.push(L.Get(1))
	for i := first; i <= top; i++ {
		t.L.Push(L.Get(i))
	}
	err := t.run(top-first+1, lua.MultRet, false)
	if err == nil {
		L.Push(lua.LTrue)
		return 1 + v.moveResults(L, t)
	}
	if v.limits.cause() != nil {
		panic(err)
	}
	value := err.valueFor(L)
	if handler != nil {
		t = v.nestedThread(L)
		t.push(handler)
		t.L.Push(value)
		if err = t.run(1, 1, false); err == nil {
			L.Push(lua.LFalse)
			return 1 + v.moveResults(L, t)
		}
		if v.limits.cause() != nil {
			panic(err)
		}
		value = lua.LString("error in error handling")
	}
	L.Push(lua.LFalse)
	L.Push(value)
	return 2
}

// nestedThread returns a thread for a call by L's code. It raises an error if threads are nested too deeply.
func (v *VM) nestedThread(L *lua.LState) *thread {
	outer := threadOf(L)
	if outer.depth >= maxDepth {
		panic(errorAt(L, overflowText))
	}
	return v.getThread(outer)
}

// moveResults moves the results of t to L and returns their number.
func (v *VM) moveResults(L *lua.LState, t *thread) int {
	n := t.L.GetTop()
	for i := 1; i <= n; i++ {
		L.Push(t.L.Get(i))
	}
	v.putThread(t)
	return n
}
