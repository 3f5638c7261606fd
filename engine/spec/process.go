package spec

import (
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/spec/harness"
)

// fake is what a program does in a spec.
type fake harness.Fake

// process (name, fake) sets what a program does that the scripts start.
func (f *file) process(L *lua.LState) int {
	s, name, given := f.runningServer(L), L.CheckString(1), L.OptTable(2, L.NewTable())
	var p fake
	for key, v := range members(given) {
		if err := p.set(key.String(), v); err != nil {
			L.ArgError(2, err.Error())
		}
	}
	raise(L, s.AddFake(name, harness.Fake(p)))
	return 0
}

// set sets a field.
func (p *fake) set(field string, v lua.LValue) error {
	switch v := v.(type) {
	case lua.LNumber:
		if code := int(v); field == "exit_code" && code >= 0 && code <= 255 && lua.LNumber(code) == v {
			p.Code = code
			return nil
		}
	case lua.LBool:
		if field == "running" {
			p.Stays = bool(v)
			return nil
		}
	case lua.LString:
		if field == "reason" {
			p.Failure = errors.New(string(v))
			return nil
		}
	case *lua.LTable:
		if field == "output" || field == "errors" {
			lines := map[string]*[]string{"output": &p.Output, "errors": &p.Errors}[field]
			for _, line := range members(v) {
				*lines = append(*lines, line.String())
			}
			return nil
		}
	}
	return fmt.Errorf("a program has output and errors, lists of lines; exit_code, 0 to 255; running = true if it runs until it is terminated; or only reason, a string, if it cannot be started; not %s, a %s",
		field, v.Type())
}
