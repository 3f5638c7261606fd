// Package stdlib owns the standard library of scripts: base, string, table, math and os of Lua 5.1, without the functions that
// reach out of the sandbox. It must not know threads (pcall, xpcall and coroutine belong to package vm), modules, the server or
// JSON.
//
// Every call ends: a function that may run long checks the context of its thread every thousand steps and raises the
// context's error, results are limited (16 MiB for a string, 4,096 values), and the error of an exceeded limit names the
// function and the limit.
//
// None of the functions is gopher-lua's own (v1.1.2). Compared with lua5.1, all of those have other errors about arguments:
// they show the function as the caller spelled it, without quotes, and "got nil" for a missing argument; none checks a
// context. The comments of the open functions say which results are wrong, too.
//
// Differences and Missing have what is not as in Lua 5.1. Besides, if C leaves a conversion undefined (math.huge as an index,
// %d of 1e300), the nearest integer is used, and tonumber("-1", 16) is -1.
package stdlib

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
	"perigee/engine/script/stdlib/pattern"
)

const (
	maxString  = operator.MaxString
	maxValues  = 4096     // values that one call returns, or accepts to make a string of; far below the registry's size
	maxScratch = 64 << 10 // bytes of a scratch buffer that is kept for the next call
)

// Options connect the library to its host.
type Options struct {
	// Print receives each line that print writes, without its newline. Optional.
	Print func(text string)
	// Now is the clock of os.time and os.date, and its location is their local zone. If it is nil, time.Now is used.
	Now func() time.Time
}

// library is the state that the functions of one VM share. Like the VM, it is used by one goroutine at a time.
type library struct {
	// Set by Open, never changed.
	print  func(text string)
	now    func() time.Time
	opened time.Time // when os.clock was 0
	layout tableLayout

	random   *rand.Rand
	patterns *pattern.Cache
	scratch  []byte // nil while a call uses it
}

// function is a library function: it takes its arguments from c, pushes its results and returns their number.
type function func(c call) int

// Open sets the libraries as globals of L, which must be made with SkipOpenLibs, and the methods of strings. Threads that
// are made from L later share them, and the generator of math.random.
func Open(L *lua.LState, o Options) {
	l := &library{print: o.Print, now: o.Now, layout: newTableLayout(), patterns: pattern.NewCache()}
	if l.print == nil {
		l.print = func(string) {}
	}
	if l.now == nil {
		l.now = time.Now
	}
	l.opened = l.now()
	l.random = newRandom()

	l.openBase(L)
	l.openString(L)
	l.openTable(L)
	openMath(L, l)
	l.openOS(L)
}

// register puts functions into t in the order of their names, so that pairs has the same order in every VM.
func register(L *lua.LState, t *lua.LTable, functions map[string]function) {
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		t.RawSetString(name, newFunction(L, name, functions[name]))
	}
}

// newFunction makes a Lua function of f; name is for errors.
func newFunction(L *lua.LState, name string, f function) *lua.LFunction {
	return L.NewFunction(func(L *lua.LState) int { return f(call{L: L, name: name}) })
}

// takeBuffer returns the scratch buffer, empty; a new one if that is in use (by a gsub whose callback formats).
func (l *library) takeBuffer() []byte {
	b := l.scratch
	l.scratch = nil
	return b[:0]
}

// finish pushes an output that is made in a buffer from takeBuffer, and returns 1.
func (l *library) finish(out output) int {
	out.result(string(out.bytes))
	l.returnBuffer(out.bytes)
	return 1
}

// returnBuffer ends the use of a buffer from takeBuffer. A call that ends with an error need not return it.
func (l *library) returnBuffer(b []byte) {
	if cap(b) <= maxScratch {
		l.scratch = b
	}
}
