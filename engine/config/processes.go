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

// Process is a table [processes.NAME]: a program that scripts may start by its name.
type Process struct {
	// Command is the absolute path and the fixed arguments.
	Command []string
	// Args is a regular expression that each argument of a script must match as a whole. "" allows none.
	Args string
	// Env is the environment, besides PATH.
	Env map[string]Secret
	// Cwd is the working directory. Optional: "" means that of the server.
	Cwd string
}

// Errors about tables [processes.NAME].
var (
	errNoCommand = errors.New(`command is missing; write for example command = ["/usr/bin/convert", "-strip"]`)
	errPath      = errors.New(`the path of the program is not absolute; write for example ["/usr/bin/convert", "-strip"]`)
	errZero      = errors.New("it contains a zero byte")
	errEnv       = errors.New(`the environment must be a table of strings; write for example { LANG = "C.UTF-8" }`)
)

// readProcess takes over a key below processes: the whole table at once, when its first key comes.
func (l *loader) readProcess(f *file, key toml.Key) {
	var p Process
	if name, ok := l.readNamed(f, key, namedTable{"a process", "command", errNoCommand, p.read}); ok {
		l.config.Processes[name] = p
	}
}

// namedTable describes the tables [SECTION.NAME].
type namedTable struct {
	what     string // "a process"
	required string // a key
	missing  error  // if the required key is missing
	read     func(key string, value any) error
}

// readNamed reads a table [SECTION.NAME] when its first key comes, and returns its name. ok is false for further keys, and if the
// table cannot be taken over.
func (l *loader) readNamed(f *file, key toml.Key, t namedTable) (name string, ok bool) {
	errNoTable := fmt.Errorf("it is not a table; write [%s.NAME]", key[0])
	tables, isTable := f.values[key[0]].(map[string]any)
	if !isTable {
		if f.first(key[:1]) {
			l.errs.add(f.origin(key[:1], key), errNoTable)
		}
		return "", false
	}
	if len(key) < 2 || !f.first(key[:2]) {
		return "", false
	}
	name, at := key[1], f.origin(key[:2], key)
	table, isTable := tables[name].(map[string]any)
	switch {
	case !isTable:
		l.errs.add(at, errNoTable)
		return "", false
	case name == "" || !consistsOf(name, "_-"):
		l.errs.add(at, fmt.Errorf("the name of %s may have only letters, digits, _ and -", t.what))
		return "", false
	case table[t.required] == nil:
		l.errs.add(at, t.missing)
	}
	for _, field := range slices.Sorted(maps.Keys(table)) {
		if len(l.errs) >= maxErrors {
			return "", false
		}
		if err := t.read(field, table[field]); err != nil {
			l.errs.add(f.origin(toml.Key{key[0], name, field}, key), err)
		}
	}
	return name, true
}

// read reads a field of the table.
func (p *Process) read(field string, value any) error {
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
		return "", fmt.Errorf("%s is not a string; write it in quotes", show(value))
	case strings.Contains(text, "\x00"):
		return "", errZero
	default:
		return text, nil
	}
}

// parseEnv shows no value in its errors: it may be a secret of another service.
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
