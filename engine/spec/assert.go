package spec

import (
	"errors"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/vm"
)

// fail raises a failure with a line for each difference.
func fail(L *lua.LState, sentence string, lines ...string) {
	L.RaiseError("%s", strings.Join(append([]string{sentence}, lines...), "\n"))
}

// assertSame (expected, actual) compares deeply.
func assertSame(L *lua.LState) int {
	if lines := compare(L.Get(1), L.Get(2), false); len(lines) > 0 {
		fail(L, "not the same:", lines...)
	}
	return 0
}

// assertEqual (expected, actual) compares like ==; a table is equal only to itself.
func assertEqual(L *lua.LState) int {
	if expected, actual := L.Get(1), L.Get(2); !L.Equal(expected, actual) {
		fail(L, "expected "+show(expected)+", got "+show(actual))
	}
	return 0
}

func assertThat(what string, is func(v lua.LValue) bool) lua.LGFunction {
	return func(L *lua.LState) int {
		if v := L.Get(1); !is(v) {
			fail(L, "expected "+what+", got "+show(v))
		}
		return 0
	}
}

// assertError (fn, text) calls fn, which must fail with an error that contains text, if given. It returns the error.
func (f *file) assertError(L *lua.LState) int {
	fn, text := L.CheckFunction(1), L.OptString(2, "")
	_, err := f.vm.Call(nil, 0, fn)
	failure, known := errors.AsType[*vm.Error](err)
	switch {
	case err == nil:
		fail(L, "expected an error, got none")
	case known && failure.Cause != nil:
		vm.Raise(L, err)
	case !strings.Contains(err.Error(), text):
		fail(L, "expected an error with "+show(lua.LString(text))+", got "+show(lua.LString(err.Error())))
	}
	L.Push(lua.LString(err.Error()))
	return 1
}

// assertMatches (pattern, text) searches a string for a Lua pattern.
func assertMatches(L *lua.LState) int {
	pattern, text := L.CheckString(1), L.Get(2)
	subject, matches := text.(lua.LString)
	if matches {
		L.Push(L.GetField(L.GetGlobal("string"), "find"))
		L.Push(subject)
		L.Push(lua.LString(pattern))
		L.Call(2, 1)
		matches = L.Get(-1) != lua.LNil
	}
	if !matches {
		fail(L, "expected a string that matches "+show(lua.LString(pattern))+", got "+show(text))
	}
	return 0
}
