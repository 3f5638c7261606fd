package pattern

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// stepsPerCheck is the number of steps between two checks of the context: a few microseconds.
const stepsPerCheck = 1000

// Budget makes a long library call cancellable: it counts the call's steps and checks the context of its thread now and
// then. Package stdlib uses it for its own long calls, too.
type Budget struct {
	L    *lua.LState
	left int // steps until the next check
}

// NewBudget returns the budget of a function that L calls.
func NewBudget(L *lua.LState) Budget {
	return Budget{L: L, left: stepsPerCheck}
}

// Spend counts n steps. It raises the error of the context if the context has ended.
func (b *Budget) Spend(n int) {
	if b.left -= n; b.left < 0 {
		b.check()
	}
}

func (b *Budget) check() {
	b.left = stepsPerCheck
	if ctx := b.L.Context(); ctx != nil {
		if err := ctx.Err(); err != nil {
			Raise(b.L, err.Error())
		}
	}
}

// Raise ends the running Go function with an error at its caller's position.
func Raise(L *lua.LState, text string) {
	L.Error(lua.LString(Position(L, 1)+text), 0)
}

// Position returns "file:line: " for a level of the stack: 1 is the caller of the running Go function. As in Lua 5.1, it
// returns "" if that level is a Go function, or a Lua function that a tail call has replaced; levels above such a one are
// unknown, too. (L.Error of gopher-lua takes the position of another function then.)
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
