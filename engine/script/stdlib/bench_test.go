package stdlib

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func benchmark(b *testing.B, source string) {
	b.Helper()
	L := newVM(b, Options{})
	L.SetGlobal("text", lua.LString(strings.Repeat("<b>bold</b> & more\n", 20*1024/19)))
	f, err := L.Load(strings.NewReader("return function() "+source+" end"), "bench.lua")
	if err != nil {
		b.Fatal(err)
	}
	L.Push(f)
	L.Call(0, 1)
	work := L.Get(-1)
	b.ReportAllocs()
	for b.Loop() {
		if err := L.CallByParam(lua.P{Fn: work, Protect: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGsubEscape(b *testing.B) {
	benchmark(b, `local s = text:gsub("[&<>\"']", {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;"})`)
}
func BenchmarkGsubWords(b *testing.B) { benchmark(b, `local s = text:gsub("%w+", "<%0>")`) }
func BenchmarkGsubFunc(b *testing.B) {
	benchmark(b, `local s = text:gsub("%w+", function(w) return w end)`)
}
func BenchmarkFindPlain(b *testing.B) { benchmark(b, `local s = text:find("nothing", 1, true)`) }
func BenchmarkFindClass(b *testing.B) { benchmark(b, `local s = text:find("%d+%s")`) }
func BenchmarkFindLazy(b *testing.B)  { benchmark(b, `local s = text:sub(1, 500):find("(.-)#")`) }
func BenchmarkMatchTrim(b *testing.B) { benchmark(b, `local s = ("  a name "):match("^%s*(.-)%s*$")`) }

func BenchmarkMatchShort(b *testing.B) {
	benchmark(b, `local s = ("key=value"):match("^(%w+)=(%w*)$")`)
}

func BenchmarkFormat(b *testing.B) {
	benchmark(b, `local s = ("%s has %d of %5.2f"):format("ann", 3, 1.5)`)
}

func BenchmarkPairs(b *testing.B) { benchmark(b, `for _, v in pairs({1, 2, 3, a = 4}) do end`) }
