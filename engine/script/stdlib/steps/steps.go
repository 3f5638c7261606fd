// Package steps is how the functions of the library end: one that may run long counts its steps and asks the context of
// its thread now and then, and what ends it is an error at the place of its caller.
package steps

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// stepsPerAsk is the number of steps between two looks at the context: a few microseconds.
const stepsPerAsk = 1000

// Budget counts the steps of a long-running function, so that it asks the context now and then.
type Budget struct {
	L    *lua.LState
	left int // steps until the context is asked
}

// New returns the budget of a function that L calls.
func New(L *lua.LState) Budget {
	return Budget{L: L, left: stepsPerAsk}
}

// Spend counts n steps. It raises the context's error when the context has ended.
func (b *Budget) Spend(n int) {
	if b.left -= n; b.left < 0 {
		b.ask()
	}
}

func (b *Budget) ask() {
	b.left = stepsPerAsk
	ctx := b.L.Context()
	if ctx == nil {
		return
	}
	if err := ctx.Err(); err != nil {
		Raise(b.L, err.Error())
	}
}

// Raise ends the running Go function with an error at its caller's position.
func Raise(L *lua.LState, text string) {
	L.Error(lua.LString(Position(L, 1)+text), 0)
}

// Position is the text "file:line: " of a level of the stack: 1 is the caller of the running Go function. It is empty
// where that is a Go function, or a Lua function that a tail call has replaced, as in Lua 5.1; of levels above such a
// one nothing is known.
func Position(L *lua.LState, level int) string {
	for at := 1; ; at++ {
		frame, ok := L.GetStack(at)
		if !ok {
			return ""
		}
		if _, err := L.GetInfo("Sl", frame, nil); err != nil {
			return ""
		}
		switch {
		case at < level && frame.What != "tail" && frame.What != "main":
			continue
		case at < level || frame.CurrentLine <= 0:
			return ""
		}
		return fmt.Sprintf("%s:%d: ", frame.Source, frame.CurrentLine)
	}
}
