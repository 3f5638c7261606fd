package spec

import (
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/spec/harness"
)

// part is what a spec has a program do.
type part harness.Part

// process (name, play) plays a program that the scripts start.
func (f *file) process(L *lua.LState) int {
	s, name, given := f.present(L), L.CheckString(1), L.OptTable(2, L.NewTable())
	var p part
	for key, v := range members(given) {
		if err := p.set(key.String(), v); err != nil {
			L.ArgError(2, err.Error())
		}
	}
	raise(L, s.Play(name, harness.Part(p)))
	return 0
}

// set takes one field of what a program does.
func (p *part) set(field string, v lua.LValue) error {
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
	return fmt.Errorf("a program has output and errors, lists of lines; exit_code, 0 to 255; running = true where it goes on until it is terminated; or instead reason, a string, why it cannot be started; not %s, a %s",
		field, v.Type())
}
