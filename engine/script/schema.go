package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/schema"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
)

// Schemas are the compiled schemas of messages and commands, kept so that the next load of the same scripts does not compile them again.
// They belong to one program at a time.
type Schemas struct{ compiler *schema.Compiler } // made when it is first needed

func (s *Schemas) compile(text []byte) (*schema.Schema, error) {
	if s.compiler == nil {
		var err error
		if s.compiler, err = schema.NewCompiler("id", "name", "timestamp"); err != nil {
			return nil, err
		}
	}
	return s.compiler.Compile(text)
}

// check returns the check by the schema option of a message or a command, and the text of the schema; nil without the option.
func (s *server) check(option lua.LValue) (check func(text []byte) error, text string, err error) {
	if option == lua.LNil {
		return nil, "", nil
	}
	if option.Type() != lua.LTTable {
		return nil, "", fmt.Errorf("schema is a %s; it must be a table", option.Type())
	}
	written, err := value.Append(nil, option, value.Limits{})
	if err != nil {
		return nil, "", fmt.Errorf("schema: %s", api.Sentence(err))
	}
	compiled, err := s.options.Schemas.compile(written)
	if err != nil {
		return nil, "", err
	}
	return compiled.Check, string(written), nil
}

// checkArguments checks the arguments of a command against its schema.
func checkArguments(command string, arguments lua.LValue, check func(text []byte) error) error {
	text, err := value.Append(nil, arguments, value.Limits{})
	if err == nil {
		err = check(text)
	}
	if err != nil {
		return &ArgumentsError{Command: command, Problem: api.Sentence(err)}
	}
	return nil
}
