package vm

import (
	"reflect"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// deep defines functions that recurse: deep calls itself, t through a metamethod, and within through a function of the library.
const deep = `
	local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
	local t = setmetatable({}, { __index = function(t, k) if k == 0 then return 0 end return 1 + t[k - 1] end })
	local function within(n) if n == 0 then return "end" end return (("x"):gsub("x", function() return within(n - 1) end)) end
	local function wide(n, ...)
		local a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, u, v, w, x, y, z
		if n == 0 then return 0 end
		return 1 + wide(n - 1, ...)
	end
`

// Calls may be as deep as in Lua 5.1, wherever they begin. Calls through Go functions take Go's stack, so they have a lower limit.
func TestDepthOfCalls(t *testing.T) {
	m := start(t, Options{})
	const overflow = "error: test.lua:2: stack overflow"
	for _, row := range []struct{ source, want string }{
		{`return deep(15000)`, "15000"},
		{`return wide(15000)`, "15000"},
		{`return select(2, pcall(pcall, pcall, pcall, pcall, pcall, pcall, pcall, pcall, pcall, pcall, pcall, deep, 15000))`, "true"},
		{`return select(12, pcall(pcall, pcall, pcall, pcall, pcall, pcall, pcall, pcall, pcall, pcall, deep, 15000))`, "15000"},
		{`return coroutine.wrap(function() return deep(15000) end)()`, "15000"},
		{`return (("x"):gsub("x", function() return deep(15000) end))`, "15000"},
		{`return deep(25000)`, overflow},
		{`return select(2, pcall(deep, 25000))`, "test.lua:2: stack overflow"},
		{`pcall(deep, 25000) return deep(15000)`, "15000"},
		{`return t[150]`, "150"},
		{`return pcall(function() return t[5000] end)`, "false"},
		{`deep(19000) return pcall(function() return t[5000] end)`, "false"},
		{`local function first(n) if n == 0 then return t[5000] end return 1 + first(n - 1) end return pcall(first, 300)`, "false"},
		{`return within(150)`, "end"},
		{`return pcall(within, 5000)`, "false"},
	} {
		if got := m.run(t, deep+row.source).String(); got != row.want {
			t.Errorf("%s\n got %s\nwant %s", row.source, got, row.want)
		}
	}
}

// Threads on which calls were deep are not kept.
func TestDeepThreadsAreDropped(t *testing.T) {
	m := start(t, Options{})
	m.run(t, deep+`for i = 1, 5 do pcall(deep, 19000) pcall(pcall, deep, 25000) coroutine.wrap(deep)(19000) end deep(19000)`)
	m.turn(t, func() {
		for _, p := range []pool{m.regular, m.shallow} {
			for _, idle := range p.idle {
				if got, want := len(idle.calls.segments), p.frames/lua.FramesPerSegment; got != want {
					t.Errorf("segments of an idle thread: got %d, want %d", got, want)
				}
				if got := len(idle.calls.registry.array); got > registryKept {
					t.Errorf("values of an idle thread: got %d, want at most %d", got, registryKept)
				}
			}
		}
	})
}

func TestSameLayout(t *testing.T) {
	t.Parallel()
	type other struct {
		_ []*segment
		_ uint8
		_ uint16
	}
	if ours := reflect.TypeFor[frames](); !sameLayout(ours, ours) || sameLayout(ours, reflect.TypeFor[other]()) {
		t.Errorf("sameLayout(frames, frames), (frames, other) = %t, %t, want true, false", sameLayout(ours, ours), sameLayout(ours, reflect.TypeFor[other]()))
	}
}
