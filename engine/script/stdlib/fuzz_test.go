package stdlib

import (
	"errors"
	"math"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// invoke calls a library function under a limit. A Lua error is fine; a Go panic fails the test.
func invoke(t *testing.T, L *lua.LState, library, name string, arguments ...lua.LValue) {
	t.Helper()
	trip(t, L, 50)
	defer L.SetTop(0)
	f := L.GetField(L.GetGlobal(library), name)
	err := L.CallByParam(lua.P{Fn: f, NRet: lua.MultRet, Protect: true}, arguments...)
	if failure := (*lua.ApiError)(nil); errors.As(err, &failure) && failure.Type == lua.ApiErrorPanic {
		t.Fatalf("%s.%s(%q): panic %v", library, name, arguments, failure.Object)
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range [][3]string{
		{"%f[%w]%w+", "the (quick) fox", "<%0>"},
		{"(.-)%s*=%s*([^;]*);?", "a = 1; b=2", "%2=%1"},
		{"%b()%1", "f(a(b))", "%%"},
		{"^[]a-z%%-]+$", "a]%-", "%"},
		{"()(()a?)*", "aaa", "%3"},
		{"[^%z\xff]-%", "\x00\xff", "%9"},
		{"[a-%%]", "]", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, pattern, subject, replacement string) {
		L := newVM(t, Options{})
		s, p := lua.LString(subject), lua.LString(pattern)
		invoke(t, L, "string", "find", s, p, lua.LNumber(len(pattern)-len(subject)))
		invoke(t, L, "string", "match", s, p)
		invoke(t, L, "string", "gsub", s, p, lua.LString(replacement))
		invoke(t, L, "string", "gsub", s, p, L.GetGlobal("tostring"))
		matches := L.NewFunction(func(L *lua.LState) int {
			L.Push(L.GetField(L.GetGlobal("string"), "gmatch"))
			L.Push(s)
			L.Push(p)
			L.Call(2, 1)
			next := L.Get(-1)
			for range len(subject) + 2 {
				L.SetTop(0)
				L.Push(next)
				L.Call(0, lua.MultRet)
				if L.GetTop() == 0 {
					return 0
				}
			}
			t.Errorf("gmatch(%q, %q) gives more matches than the subject has places", subject, pattern)
			return 0
		})
		L.SetGlobal("probe", L.NewTable())
		L.SetField(L.GetGlobal("probe"), "gmatch", matches)
		invoke(t, L, "probe", "gmatch")
	})
}

func FuzzFormat(f *testing.F) {
	f.Add("%5.2f|%-10s|%q", 1.5, "text")
	f.Add("%#+ 0-99.99g%c%%", math.Copysign(0, -1), "\x00")
	f.Add("%x %X %o %u %d %i", 1e300, "0x10")
	f.Add("%", 0.0, "")
	f.Fuzz(func(t *testing.T, format string, number float64, text string) {
		L := newVM(t, Options{})
		n, s := lua.LNumber(number), lua.LString(text)
		invoke(t, L, "string", "format", lua.LString(format), n, n, s, n, s, n)
		invoke(t, L, "string", "format", lua.LString(format), s, s, n, s, n, s)
		invoke(t, L, "os", "date", lua.LString(format), n)
	})
}
