package api

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/varinfo"
)

// usage tells how a function of a module or a kind is called. Each such function has one as an upvalue.
type usage struct {
	owner    string // with the dot or colon
	function Function
}

var _ varinfo.Usage = usage{}

// Misused returns the error for a wrong n-th argument, counted with the object of a method.
func (u usage) Misused(L *lua.LState, n int, problem string) string {
	if strings.HasSuffix(u.owner, ":") {
		n--
	} else if u.calledOnModule(L) {
		return fmt.Sprintf("write %s with a dot: %s", u.name(), u.call())
	}
	return fmt.Sprintf("bad argument #%d to %s (%s): write %s", n, u.name(), problem, u.call())
}

// calledOnModule reports whether a module's function was called with a colon.
func (u usage) calledOnModule(L *lua.LState) bool {
	module, ok := L.Get(1).(*lua.LTable)
	if !ok {
		return false
	}
	metatable, ok := module.Metatable.(*lua.LTable)
	return ok && metatable.RawGetString("__metatable") == lua.LString(strings.TrimSuffix(u.owner, "."))
}

func (u usage) name() string { return u.owner + u.function.Name }

// call returns the call as a script writes it: client:close(code, reason).
func (u usage) call() string {
	return fmt.Sprintf("%s(%s)", u.name(), strings.Join(u.function.Parameters(), ", "))
}

// Parameters returns the names of the parameters.
func (f Function) Parameters() []string {
	first, _, _ := strings.Cut(f.Signature, "\n")
	params, _, _ := parseSignature(first) // a test has parsed it
	var names []string
	for _, p := range params {
		name, _, _ := strings.Cut(p, ":")
		names = append(names, strings.TrimSuffix(name, "?"))
	}
	return names
}
