package spec

import (
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/process"
	"perigee/engine/spec/harness"
)

// process (name, fake) sets the behaviour of a program that the scripts start.
func (f *file) process(L *lua.LState) int {
	name, given := L.CheckString(1), L.OptTable(2, L.NewTable())
	var fake harness.Fake
	for key, v := range members(given) {
		if err := f.setFake(&fake, key.String(), v); err != nil {
			L.ArgError(2, err.Error())
		}
	}
	f.addFake(L, func(s *harness.Server) error { return s.AddFake(name, fake) })
	return 0
}

// setFake sets a field.
func (f *file) setFake(fake *harness.Fake, field string, v lua.LValue) error {
	switch v := v.(type) {
	case lua.LNumber:
		if field == "exit_code" && isExitCode(v) {
			fake.Code = int(v)
			return nil
		}
	case lua.LBool:
		if field == "running" {
			fake.Stays = bool(v)
			return nil
		}
	case lua.LString:
		if field == "reason" {
			fake.Failure = errors.New(string(v))
			return nil
		}
	case *lua.LFunction:
		if field == "on_input" {
			fake.Stays = true
			fake.OnInput = func(text string) (process.Reaction, error) { return f.react(v, text) }
			return nil
		}
	case *lua.LTable:
		switch field {
		case "output":
			fake.Output = lines(v)
			return nil
		case "errors":
			fake.Errors = lines(v)
			return nil
		}
	}
	return fmt.Errorf("a program has output and errors, lists of lines; exit_code, 0 to 255; running = true if it runs until it is terminated; on_input, a function; or only reason, a string, if it cannot be started; not %s, a %s",
		field, v.Type())
}

// react calls on_input of a spec. It runs while the spec waits for its server.
func (f *file) react(onInput lua.LValue, text string) (does process.Reaction, err error) {
	result, err := f.vm.Call(nil, 0, onInput, lua.LString(text))
	if err != nil {
		return does, err
	}
	given, isTable := result.(*lua.LTable)
	if !isTable && result != lua.LNil {
		return does, fmt.Errorf("on_input returned a %s; it must return nothing or a table", result.Type())
	}
	if !isTable {
		return does, nil
	}
	for key, v := range members(given) {
		list, isTable := v.(*lua.LTable)
		code, isNumber := v.(lua.LNumber)
		switch field := key.String(); {
		case field == "output" && isTable:
			does.Output = lines(list)
		case field == "errors" && isTable:
			does.Errors = lines(list)
		case field == "exit_code" && isNumber && isExitCode(code):
			does.Ends, does.Code = true, int(code)
		default:
			return does, fmt.Errorf("on_input returns output and errors, lists of lines, and exit_code, 0 to 255, if the program ends then; not %s, a %s", field, v.Type())
		}
	}
	return does, nil
}

func isExitCode(n lua.LNumber) bool { return n >= 0 && n <= 255 && n == lua.LNumber(int(n)) }

// lines returns the items of a list as strings.
func lines(list *lua.LTable) []string {
	var all []string
	for _, line := range members(list) {
		all = append(all, line.String())
	}
	return all
}
