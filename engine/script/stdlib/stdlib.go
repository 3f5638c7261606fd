// Package stdlib owns the standard library that scripts see: base, string, table, math and os of Lua 5.1, without what
// reaches out of the sandbox. It knows no threads (pcall, xpcall and coroutine belong to package vm), no modules, no
// server and no JSON.
//
// What a script calls here ends: a function that may run long asks the context of its thread every thousand steps and
// raises the context's error, results have bounds (16 MiB for a string, 4,096 values), and what breaks a bound is a Lua
// error that names the function and the limit.
//
// It differs from Lua 5.1 on purpose in a few places. Numbers print as gopher-lua prints them (integers in full). assert
// raises its message unchanged, whatever it is. Patterns may contain zero bytes. Strings such as "inf" and "nan" are no
// numbers. Where C leaves a conversion undefined (math.huge as an index, %d of 1e300) the nearest integer is meant, and
// tonumber("-1", 16) is -1. An error of a method call counts the object as argument 1. next takes a key that the table
// never had for its first one. There is no string.dump, and of os only what reads the clock.
package stdlib

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/stdlib/pattern"
)

const (
	maxString  = 16 << 20 // bytes of a string that a library function or a concatenation builds
	maxValues  = 4096     // values that one call returns or takes to make a string of; far below the registry's size
	maxScratch = 64 << 10 // bytes of a scratch buffer that is kept for the next call
)

// Options is what the library needs of its surroundings.
type Options struct {
	// Print receives what print writes: one line without its newline. Nil discards it.
	Print func(text string)
	// Now is the clock of os.time and os.date, and its location is their local zone. Nil means time.Now.
	Now func() time.Time
}

// library is the state that the functions of one VM share. Like the VM, it is used by one goroutine at a time.
type library struct {
	// Set by Open, never changed.
	print  func(text string)
	now    func() time.Time
	opened time.Time // where os.clock begins

	random   *rand.Rand
	patterns *pattern.Cache
	scratch  []byte // nil while a call uses it
}

// function is a library function: it takes its arguments from c, pushes its results and returns their number.
type function func(c call) int

// Open sets the libraries as globals of L, which was made with SkipOpenLibs, and gives strings their methods. Threads
// that are made from L later share them, and the generator of math.random.
func Open(L *lua.LState, o Options) {
	l := &library{print: o.Print, now: o.Now, patterns: pattern.NewCache()}
	if l.print == nil {
		l.print = func(string) {}
	}
	if l.now == nil {
		l.now = time.Now
	}
	l.opened = l.now()
	l.random = secretRandom()

	l.openBase(L)
	l.openString(L)
	l.openTable(L)
	openMath(L, l)
	l.openOS(L)
}

// register puts functions into t in the order of their names, so that pairs shows every VM's tables alike.
func register(L *lua.LState, t *lua.LTable, functions map[string]function) {
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		t.RawSetString(name, newFunction(L, name, functions[name]))
	}
}

// newFunction makes a Lua function of f; errors call it name.
func newFunction(L *lua.LState, name string, f function) *lua.LFunction {
	return L.NewFunction(func(L *lua.LState) int { return f(call{L: L, name: name}) })
}

// take lends the scratch buffer, empty. Where it is lent already (a callback of gsub that formats), it is a new one.
func (l *library) take() []byte {
	b := l.scratch
	l.scratch = nil
	return b[:0]
}

// give returns a buffer that take lent. A call that ends with an error may keep it.
func (l *library) give(b []byte) {
	if cap(b) <= maxScratch {
		l.scratch = b
	}
}
