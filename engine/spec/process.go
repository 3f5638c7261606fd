package spec

import (
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/spec/harness"
)

// process (name, fake) sets the behaviour of a program that the scripts start.
func (f *file) process(L *lua.LState) int {
	s, name, given := f.runningServer(L), L.CheckString(1), L.OptTable(2, L.NewTable())
	var fake harness.Fake
	for key, v := range members(given) {
		if err := setFake(&fake, key.String(), v); err != nil {
			L.ArgError(2, err.Error())
		}
	}
	raise(L, s.AddFake(name, fake))
	return 0
}

// setFake sets a field.
func setFake(fake *harness.Fake, field string, v lua.LValue) error {
	switch v := v.(type) {
	case lua.LNumber:
		if code := int(v); field == "exit_code" && code >= 0 && code <= 255 && lua.LNumber(code) == v {
			fake.Code = code
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
	case *lua.LTable:
		if field == "output" || field == "errors" {
			lines := map[string]*[]string{"output": &fake.Output, "errors": &fake.Errors}[field]
			for _, line := range members(v) {
				*lines = append(*lines, line.String())
			}
			return nil
		}
	}
	return fmt.Errorf("a program has output and errors, lists of lines; exit_code, 0 to 255; running = true if it runs until it is terminated; or only reason, a string, if it cannot be started; not %s, a %s",
		field, v.Type())
}
