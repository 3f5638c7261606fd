package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Process is a table [processes.NAME]: a program that scripts may start by that name.
type Process struct {
	// Command is its absolute path and its fixed arguments.
	Command []string
	// Args is a regular expression that each argument of a script must match as a whole; "" allows none.
	Args string
	// Env is its environment, besides PATH.
	Env map[string]Secret
	// Cwd is its working directory; "" is that of the server.
	Cwd string
}

// What is wrong with a table [processes.NAME].
var (
	errNoCommand = errors.New(`command is missing; write for example command = ["/usr/bin/convert", "-strip"]`)
	errPath      = errors.New(`the program has no absolute path; write for example ["/usr/bin/convert", "-strip"]`)
	errZero      = errors.New("there is a zero byte in it")
	errEnv       = errors.New(`the environment is a table of texts; write for example { LANG = "C.UTF-8" }`)
	errNoTable   = errors.New("it is not a table; write [processes.NAME]")
)

// takeProcess takes over a key below processes: the whole table at once, when its first key comes.
func (l *loader) takeProcess(f *file, key toml.Key) {
	tables, isTable := f.values["processes"].(map[string]any)
	if !isTable {
		if f.first(key[:1]) {
			l.problems.add(f.place(key[:1], key), errNoTable)
		}
		return
	}
	if len(key) < 2 || !f.first(key[:2]) {
		return
	}
	name, at := key[1], f.place(key[:2], key)
	table, isTable := tables[name].(map[string]any)
	switch {
	case !isTable:
		l.problems.add(at, errNoTable)
		return
	case name == "" || !consistsOf(name, "_-"):
		l.problems.add(at, errors.New("the name of a process has letters, digits, _ and - only"))
		return
	case table["command"] == nil:
		l.problems.add(at, errNoCommand)
	}
	var p Process
	for _, field := range slices.Sorted(maps.Keys(table)) {
		if len(l.problems) >= maxProblems {
			return
		}
		if err := p.take(field, table[field]); err != nil {
			l.problems.add(f.place(toml.Key{"processes", name, field}, key), err)
		}
	}
	l.config.Processes[name] = p
}

// take takes over a field of the table.
func (p *Process) take(field string, value any) error {
	var err error
	switch field {
	case "command":
		if p.Command, err = parseList(value); err != nil {
			return err
		}
		if len(p.Command) == 0 || !filepath.IsAbs(p.Command[0]) {
			return errPath
		}
		if strings.Contains(strings.Join(p.Command, ""), "\x00") {
			return errZero
		}
		return nil
	case "args":
		if p.Args, err = parsePlain(value); err != nil {
			return err
		}
		if _, err := regexp.Compile(p.Args); err != nil {
			return fmt.Errorf("%s is not a regular expression; write for example %q", show(p.Args), "[a-z0-9-]{1,32}")
		}
		return nil
	case "env":
		p.Env, err = parseEnv(value)
		return err
	case "cwd":
		p.Cwd, err = parsePlain(value)
		return err
	default:
		return didYouMean("unknown key", Nearest(field, []string{"command", "args", "env", "cwd"}))
	}
}

func parsePlain(value any) (string, error) {
	text, isText := value.(string)
	switch {
	case !isText:
		return "", fmt.Errorf("%s is not a text; write it in quotes", show(value))
	case strings.Contains(text, "\x00"):
		return "", errZero
	default:
		return text, nil
	}
}

// parseEnv shows no value in its errors: keys of other services stand here.
func parseEnv(value any) (map[string]Secret, error) {
	table, isTable := value.(map[string]any)
	if !isTable {
		return nil, errEnv
	}
	env := map[string]Secret{}
	for name, value := range table {
		text, isText := value.(string)
		if !isText || name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(text, "\x00") {
			return nil, errEnv
		}
		env[name] = Secret(text)
	}
	return env, nil
}
