package vm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/loop"
)

// places are the places from which a script may wait: %s is the call that waits.
func places() []script {
	return []script{
		{"plain", `return %s`, ""},
		{"function", `local function f() local x = %s return x end return f()`, ""},
		{"pcall", `return select(2, pcall(function() return %s end))`, ""},
		{"xpcall", `return select(2, xpcall(function() return %s end, error))`, ""},
		{"handler", `return select(2, xpcall(error, function() return %s end))`, ""},
		{"nested pcall", `return select(4, pcall(pcall, pcall, function() return %s end))`, ""},
		{"index", `return setmetatable({}, {__index = function() return %s end}).x`, ""},
		{"newindex", `local r setmetatable({}, {__newindex = function() r = %s end}).x = 1 return r`, ""},
		{"arithmetic", `return setmetatable({}, {__add = function() return %s end}) + 1`, ""},
		{"concatenation", `return setmetatable({}, {__concat = function() return %s end}) .. "x"`, ""},
		{"iterator", `for x in function() return %s end do return x end`, ""},
		{"sort", `local r table.sort({1, 2}, function() r = r or %s return false end) return r`, ""},
		{"gsub", `return (("x"):gsub("x", function() return %s end))`, ""},
		{"tostring", `return tostring(setmetatable({}, {__tostring = function() return %s end}))`, ""},
		{"call", `return call("inner", function() return %s end)`, ""},
		{"wrap", `return coroutine.wrap(function() return %s end)()`, ""},
		{"resume", `return select(2, coroutine.resume(coroutine.create(function() return %s end)))`, ""},
		{"yield", `return coroutine.wrap(function() coroutine.yield(%s) end)()`, ""},
		{"coroutines", `
		local wrap = coroutine.wrap
		return wrap(function()
			return wrap(function()
				local f = wrap(function() coroutine.yield() return %s end)
				f()
				return f()
			end)()
		end)()`, ""},
		{"all of them", `
		return coroutine.wrap(function()
			return select(2, pcall(function()
				return call("inner", function()
					return coroutine.wrap(function()
						return setmetatable({}, {__index = function() return %s end}).x
					end)()
				end)
			end))
		end)()`, ""},
	}
}

// A script can wait anywhere. Others run meanwhile, and it continues where it stopped, with its own caller.
func TestWait(t *testing.T) {
	m := start(t, Options{})
	for _, s := range places() {
		t.Run(s.name, func(t *testing.T) {
			out := m.begin(t, "local n = 0 local function waits() n = n + 1 wait() n = n + 1 return n .. caller() end "+
				fmt.Sprintf(s.source, "waits()"))
			if o := m.run(t, `return caller()`); o.String() != "call" {
				t.Errorf("another call meanwhile: got %v, want call", o)
			}
			m.turn(t, func() {
				if n := m.loop.Waiting(); n != 1 {
					t.Errorf("waiting turns: got %d, want 1", n)
				}
				if m.current != nil || m.State().G.CurrentThread != m.State() {
					t.Error("a thread is current between the slices")
				}
			})
			m.wake(t)
			want := "2call"
			if strings.Contains(s.source, `call("inner"`) {
				want = "2inner"
			}
			if o := await(t, out); o.String() != want {
				t.Errorf("%s: got %v, want %s", s.source, o, want)
			}
		})
	}
}

// A script can wait below any nesting of calls, beside others that wait.
func TestWaitNested(t *testing.T) {
	m := start(t, Options{})
	random := rand.New(rand.NewPCG(1, 2))
	nested := func(inner string) string {
		for range 1 + random.IntN(6) {
			place := places()[random.IntN(len(places()))]
			inner = "(function() " + fmt.Sprintf(place.source, inner) + " end)()"
		}
		return inner
	}
	sources, outs := make([]string, 200), make([]<-chan outcome, 200)
	for i := range sources {
		sources[i] = fmt.Sprintf(`return "got " .. %s`, nested(fmt.Sprintf(`(function() wait() pause() return %d end)()`, i)))
		outs[i] = m.begin(t, sources[i])
	}
	m.wake(t)
	for i, out := range outs {
		if o, want := await(t, out), fmt.Sprint("got ", i); o.String() != want {
			t.Errorf("%s\ngot  %v\nwant %s", sources[i], o, want)
		}
	}
}

// After a wait the thread that waited is the current one again.
func TestCurrentThread(t *testing.T) {
	m := start(t, Options{})
	check := m.State().NewFunction(func(L *lua.LState) int {
		if L.G.CurrentThread != L || m.current != threadOf(L) {
			t.Error("the thread that runs is not the current one")
		}
		return 0
	})
	m.State().SetGlobal("check", check)
	o := m.run(t, `
		check()
		pcall(function() check() pause() check() pcall(error) check() end)
		check()
		local f = coroutine.wrap(function() check() pause() check() coroutine.yield() check() call("inner", check) check() end)
		f() check() f() check()
		pause() check()`)
	if o.err != nil {
		t.Error(o)
	}
	if main := m.State(); main.G.MainThread != main {
		t.Error("the main thread is not the one that State returns")
	}
}

// Ten thousand calls can wait at once, and all of them end.
func TestManyWaiting(t *testing.T) {
	m := start(t, Options{})
	outs := make([]<-chan outcome, 10_000)
	for i := range outs {
		outs[i] = m.begin(t, fmt.Sprintf(`wait() return "%d" .. caller()`, i))
	}
	m.turn(t, func() {
		if n := m.loop.Waiting(); n != len(outs) {
			t.Errorf("waiting: got %d, want %d", n, len(outs))
		}
	})
	m.wake(t)
	for i, out := range outs {
		if o, want := await(t, out), fmt.Sprintf("%dcall", i); o.String() != want {
			t.Fatalf("call %d: got %v, want %s", i, o, want)
		}
	}
}

// The end of the loop ends waiting calls, wherever they wait, and no script can catch it.
func TestStopped(t *testing.T) {
	m := start(t, Options{})
	var outs []<-chan outcome
	var sources []string
	for _, s := range places() {
		source := "pcall(function() " + fmt.Sprintf(s.source, "wait()") + ` end) say("went on")`
		sources, outs = append(sources, source), append(outs, m.begin(t, source))
	}
	again := m.begin(t, `while true do pcall(wait) say("went on") end`)
	outs, sources = append(outs, again), append(sources, "again")
	m.turn(t, func() {})
	m.stop()
	for i, out := range outs {
		if o := await(t, out); !errors.Is(o.err, ErrStopped) || !strings.Contains(o.err.Error(), "stopped while waiting") {
			t.Errorf("%s: got %v, want %v", sources[i], o, ErrStopped)
		}
	}
	if len(m.said) > 0 {
		t.Errorf("scripts that were stopped said %q", m.said)
	}
}

// A refused wait is an error that a script can handle.
func TestWaitRefused(t *testing.T) {
	full := errors.New("full")
	for name, c := range map[string]struct {
		await func(func(func())) error
		want  string
		cause error
	}{
		"no Await": {nil, "test.lua:1: " + ErrCannotWait.Error(), nil},
		"refused":  {func(func(func())) error { return full }, "test.lua:1: full", nil},
		"stopped":  {func(func(func())) error { return loop.ErrStopped }, "", ErrStopped},
		"cut off":  {func(start func(func())) error { start(func() {}); return full }, "", ErrStopped},
	} {
		v := New(Options{Await: c.await, Stopped: loop.ErrStopped})
		m := &machine{VM: v}
		m.State().SetGlobal("wait", m.State().NewFunction(func(L *lua.LState) int {
			if err := m.Await(L, func(wake func()) { wake() }); err != nil {
				Raise(L, err)
			}
			return 0
		}))
		value, err := m.Call(nil, 0, m.compiled(t, `return select(2, pcall(wait))`))
		if c.cause != nil {
			if !errors.Is(err, c.cause) {
				t.Errorf("%s: Call = %v, want %v", name, err, c.cause)
			}
		} else if err != nil || value.String() != c.want {
			t.Errorf("%s: Call = %v, %v, want %s", name, value, err, c.want)
		}
		v.Close()
	}
	v := New(Options{})
	defer v.Close()
	if err := v.Await(v.State(), func(func()) {}); !errors.Is(err, ErrCannotWait) {
		t.Errorf("Await outside of a call = %v, want %v", err, ErrCannotWait)
	}
}

// A waiting coroutine cannot be resumed by another call. It continues for the call that waits.
func TestResumeWaiting(t *testing.T) {
	m := start(t, Options{})
	out := m.begin(t, `co = coroutine.create(function() wait() return "end" end) return select(2, coroutine.resume(co))`)
	o := m.run(t, `return coroutine.status(co) .. " " .. select(2, coroutine.resume(co))`)
	if want := "normal cannot resume normal coroutine"; o.String() != want {
		t.Errorf("resume of a coroutine that waits: got %v, want %s", o, want)
	}
	m.wake(t)
	if o := await(t, out); o.String() != "end" {
		t.Errorf("call that waits: got %v, want end", o)
	}
}

// Waiting calls can be woken in any order.
func TestWaitOrder(t *testing.T) {
	m := start(t, Options{})
	first := m.begin(t, `wait() say("first") pause() say("first again")`)
	second := m.begin(t, `wait() say("second") pause() say("second again")`)
	m.turn(t, func() {
		slices.Reverse(m.wakes)
	})
	m.wake(t)
	await(t, first)
	await(t, second)
	want := []string{"second", "first", "second again", "first again"}
	m.turn(t, func() {
		if !slices.Equal(m.said, want) {
			t.Errorf("said: got %q, want %q", m.said, want)
		}
	})
}
