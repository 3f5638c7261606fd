// Package varinfo owns the names of variables in run-time errors, which Lua calls variable info: "attempt to call global 'tel'
// (a nil value)". It derives them from gopher-lua's error, which names no variable, and from the code of the function that
// failed. It changes nothing. It must not know the script API.
package varinfo

import (
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/compile"
	"perigee/engine/script/operator"
)

// The errors of gopher-lua, or their beginnings. Package operator uses the same for arithmetic and "..".
const (
	noFunction = "attempt to call a non-function object"
	noTable    = "attempt to index a non-table object("
	noNumbers  = "cannot perform "
	noText     = "cannot perform concat operation between "
	noMinus    = "__unm undefined"
	noLength   = "__len undefined"
	noOrder    = "attempt to compare " // followed by: table with table

	badArgument = "bad argument #" // followed by: 2 to close (number expected, got string)
)

// noArithmetic is the beginning of the better error.
const noArithmetic = "attempt to perform arithmetic on "

// Usage is implemented by the userdata in the first upvalue of a Go function that words errors about its arguments itself.
type Usage interface {
	// Misused returns the error about the n-th argument. The arguments are still on the stack.
	Misused(L *lua.LState, n int, problem string) string
}

// misused asks the running function to word the error about one of its arguments. If it cannot, and was called as a method, its
// arguments are counted without the object, as Lua does.
func misused(L *lua.LState, text, rest string) string {
	number, problem, found := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	if !found || err != nil {
		return text
	}
	if u := usage(L); u != nil {
		_, problem, _ = strings.Cut(problem, " (")
		problem = strings.TrimSuffix(problem, ")")
		if expected, ok := strings.CutSuffix(problem, "got nil"); ok && n > arguments(L) {
			problem = expected + "got no value"
		}
		return u.Misused(L, n, problem)
	}
	caller, ok := failed(L, 1)
	if !ok || caller.op() != lua.OP_CALL && caller.op() != lua.OP_TAILCALL || !strings.HasPrefix(caller.variable(caller.a(), ""), "method ") {
		return text
	}
	if n == 1 {
		name, problem, _ := strings.Cut(strings.TrimPrefix(problem, "to "), " ")
		return "calling " + name + " on bad self " + problem
	}
	return fmt.Sprintf("%s%d %s", badArgument, n-1, problem)
}

// usage returns the Usage of the running function, or nil.
func usage(L *lua.LState) Usage {
	fn := function(L, 0)
	if fn == nil || !fn.IsG || len(fn.Upvalues) == 0 {
		return nil
	}
	object, _ := fn.Upvalues[0].Value().(*lua.LUserData)
	if object == nil {
		return nil
	}
	u, _ := object.Value.(Usage)
	return u
}

// AddNames adds the names of variables to the text of an error that gopher-lua has raised in L; text has no position. The frames of
// the function that failed must still be on the stack. Any other text is returned unchanged. instead returns what to write instead
// of a global variable or a field of one, "os.exit", that does not exist, or "".
func AddNames(L *lua.LState, text string, instead func(name string) string) (better string) {
	better = text
	// A frame may be half-initialised when gopher-lua raises the error; a panic here leaves the text unchanged.
	defer func() { _ = recover() }()
	if rest, ok := strings.CutPrefix(text, badArgument); ok {
		return misused(L, text, rest)
	}
	if strings.HasPrefix(text, noOrder) {
		return compared(text)
	}
	level := 0
	if fn := function(L, 0); fn != nil && fn.IsG && strings.HasPrefix(text, noNumbers) {
		level = 1
	}
	f, ok := failed(L, level)
	if !ok {
		return text
	}
	switch {
	case text == noFunction:
		better = f.hinted(f.call(), f.a(), instead)
	case strings.HasPrefix(text, noTable):
		kind, _, _ := strings.Cut(text[len(noTable):], ")")
		better = f.hinted("attempt to index "+f.indexed(kind), f.object(), instead)
	case strings.HasPrefix(text, noText):
		_, kinds, _ := strings.Cut(text, " between ")
		better = "attempt to concatenate " + f.joined(kinds)
	case strings.HasPrefix(text, noNumbers):
		_, kinds, _ := strings.Cut(text, " between ")
		left, right, _ := strings.Cut(kinds, " and ")
		better = f.arithmetic(left, right)
	case text == noMinus:
		better = noArithmetic + f.single()
	case text == noLength:
		better = "attempt to get length of " + f.single()
	}
	return better
}

// hinted adds what to write instead of the value in a register, if that is nil.
func (f frame) hinted(text string, register int, instead func(name string) string) string {
	if !strings.HasSuffix(text, " (a nil value)") {
		return text
	}
	if hint := instead(f.global(register)); hint != "" {
		return text + ": " + hint
	}
	return text
}

// call words a call of something that is not a function.
func (f frame) call() string {
	callee := f.a()
	if f.op() == lua.OP_TFORLOOP {
		text := "attempt to call a " + f.kind(callee) + " value"
		if f.kind(callee) == "table" {
			text += ": a for loop goes over pairs(t) or ipairs(t)"
		}
		return text
	}
	if class, method := f.missingMethod(callee); class != "" {
		return fmt.Sprintf("there is no %s:%s", class, method)
	}
	return "attempt to call " + f.value(callee, f.called(), f.kind(callee))
}

// indexed names the object of an instruction that reads or sets a field. If the value of that kind was reached through
// __index, it is not the object itself and has no name.
func (f frame) indexed(kind string) string {
	if object := f.object(); object >= 0 && f.kind(object) == kind {
		return f.value(object, f.operand(0), kind)
	}
	return "a " + kind + " value"
}

// object returns the register of the object whose field an instruction reads or sets; -1 for any other instruction.
func (f frame) object() int {
	switch f.op() {
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS, lua.OP_SELF:
		return f.b()
	case lua.OP_SETTABLE, lua.OP_SETTABLEKS:
		return f.a()
	}
	return -1
}

// arithmetic words the failure of an operator. The first operand that is not a number is to blame.
func (f frame) arithmetic(left, right string) string {
	if bound, ok := strings.CutPrefix(f.operandsAt(f.pc), compile.ForBound); ok {
		return "'for' " + bound + " must be a number"
	}
	switch op := f.op(); {
	case op < lua.OP_ADD || op > lua.OP_POW:
		if left == "number" {
			left = right
		}
		return noArithmetic + "a " + left + " value"
	case operator.IsNegation(f.proto, f.proto.Code[f.pc]):
		return noArithmetic + f.value(f.c(), f.operand(0), right)
	case left == "number":
		return noArithmetic + f.value(f.c(), f.operand(1), right)
	}
	return noArithmetic + f.value(f.b(), f.operand(0), left)
}

// compared words the failure of a comparison: of two values of the same type, Lua says so.
func compared(text string) string {
	left, right, _ := strings.Cut(strings.TrimPrefix(text, noOrder), " with ")
	if left == right {
		return noOrder + "two " + left + " values"
	}
	return text
}

// joined names the operand of ".." that failed. kinds are those of the two that were to be joined, and the number of the one to
// blame: "string and nil: 2". The operands are the arguments of a call. One that a metamethod has replaced has no name.
func (f frame) joined(kinds string) string {
	kinds, number, _ := strings.Cut(kinds, ": ")
	kind, right, _ := strings.Cut(kinds, " and ")
	if kind == "string" || kind == "number" {
		kind = right
	}
	n, err := strconv.Atoi(number)
	if register := f.a() + n; err == nil && f.kind(register) == kind {
		return f.value(register, "", kind)
	}
	return "a " + kind + " value"
}

// single names the operand of a unary operator.
func (f frame) single() string { return f.value(f.b(), f.operand(0), f.kind(f.b())) }

// value describes the value in a register: "local 'x' (a nil value)", or "a nil value" if it has no name. name is the name
// of the variable; "" if unknown.
func (f frame) value(register int, name, kind string) string {
	if variable := f.variable(register, name); variable != "" {
		return fmt.Sprintf("%s (a %s value)", variable, kind)
	}
	return "a " + kind + " value"
}
