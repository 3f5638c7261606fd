package vm

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// bench calls a function of a script repeatedly, on the loop.
func bench(b *testing.B, source string) {
	b.Helper()
	m := start(b, Options{TurnTimeout: 1 << 40})
	chunk := m.compiled(b, source)
	m.turn(b, func() {
		fn, err := m.Call(nil, 0, chunk)
		if err != nil {
			b.Error(err)
			return
		}
		client, message := m.State().NewTable(), m.State().NewTable()
		message.RawSetString("name", lua.LString("Ring"))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Call(m, 0, fn, client, message); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkCallEmpty(b *testing.B) { bench(b, `return function() end`) }

// A typical handler: reads its message, counts, decides, sends.
func BenchmarkCallHandler(b *testing.B) {
	bench(b, `
		local rings, last = 0, ""
		local function describe(name, n) return n > 1 and name or "First" .. name end
		return function(client, message)
			if message.name ~= "Ring" then error("not for me") end
			rings = rings + 1
			client.rings = (client.rings or 0) + 1
			last = describe(message.name, rings)
			return rings
		end`)
}

func BenchmarkPcall(b *testing.B) {
	bench(b, `local function f() end return function() return pcall(f) end`)
}

func BenchmarkPcallError(b *testing.B) {
	bench(b, `return function() return pcall(error, "e") end`)
}

func BenchmarkYield(b *testing.B) {
	bench(b, `return coroutine.wrap(function() while true do coroutine.yield() end end)`)
}

func BenchmarkCoroutine(b *testing.B) {
	bench(b, `local function f() end return function() coroutine.wrap(f)() end`)
}

func BenchmarkWait(b *testing.B) { bench(b, `return function() pause() end`) }

func BenchmarkNewThread(b *testing.B) {
	v := New(Options{})
	defer v.Close()
	b.ReportAllocs()
	for b.Loop() {
		v.newThread(&v.regular)
	}
}

// An empty loop checks the limits at every instruction.
func BenchmarkInstructions(b *testing.B) {
	bench(b, `return function() local n = 0 for i = 1, 1000 do n = n + i end end`)
}
