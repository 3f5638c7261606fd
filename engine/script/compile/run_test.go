package compile_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/compile"
	"perigee/engine/script/operator"
)

// run compiles and runs a program and returns its output; an error ends the output with a line "error".
func run(t *testing.T, program string) string {
	t.Helper()
	proto, err := compile.Compile("test.lua", []byte(program))
	if err != nil {
		t.Fatalf("Compile(%s) = %v, want no error", short(program), err)
	}
	output, err := execute(proto)
	if err != nil {
		t.Fatalf("running %s: %v", short(program), err)
	}
	return output
}

// execute runs a prototype in a new state and returns its output, with 14 digits as in Lua 5.1.
func execute(proto *lua.FunctionProto) (output string, err error) {
	var printed strings.Builder
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.BaseLibName, lua.OpenBase}, {lua.StringLibName, lua.OpenString}, {lua.TabLibName, lua.OpenTable}} {
		state.Push(state.NewFunction(library.open))
		state.Push(lua.LString(library.name))
		state.Call(1, 0)
	}
	state.SetGlobal("print", state.NewFunction(func(l *lua.LState) int {
		for i := range l.GetTop() {
			if i > 0 {
				printed.WriteByte('\t')
			}
			printed.WriteString(show(l.Get(i + 1)))
		}
		printed.WriteByte('\n')
		return 0
	}))
	operator.Open(state, state.GetGlobal("string"))
	strings := state.NewTable() // that programs may change
	for _, event := range []string{"__index", "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm"} {
		strings.RawSetString(event, state.GetMetaField(lua.LString(""), event))
	}
	state.SetMetatable(lua.LString(""), strings)
	// The error of gopher-lua does not find the main chunk at level 2.
	state.SetGlobal("error", state.NewFunction(func(l *lua.LState) int {
		where := ""
		if caller, ok := l.GetStack(l.OptInt(2, 1)); ok {
			_, _ = l.GetInfo("Sl", caller, nil)
			where = fmt.Sprintf("%s:%d: ", caller.Source, caller.CurrentLine)
		}
		l.Error(lua.LString(where+l.CheckString(1)), 0)
		return 0
	}))
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
		output = printed.String()
	}()
	state.Push(state.NewFunctionFromProto(proto))
	err = state.PCall(0, 0, nil)
	return "", err
}

func show(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LNumber:
		if f := float64(v); math.IsInf(f, 0) || math.IsNaN(f) {
			return strings.TrimPrefix(strings.ToLower(fmt.Sprint(f)), "+")
		}
		return fmt.Sprintf("%.14g", float64(v)+0) // no "-0"
	case *lua.LTable, *lua.LFunction:
		return v.Type().String()
	}
	return v.String()
}

// short returns a program as failures show it.
func short(program string) string {
	const longest = 500 // bytes
	if len(program) > longest {
		return fmt.Sprintf("%.*q... (%d bytes)", longest, program, len(program))
	}
	return strconv.Quote(program)
}
