package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxSecret is the maximum size of a file that a value of [app] names, in bytes: more than any key or certificate has.
const maxSecret = 64 << 10

// resolveApp replaces each table { env = "NAME" } or { file = "path" } in [app] by the Secret that it names.
func (l *loader) resolveApp() {
	for _, name := range slices.Sorted(maps.Keys(l.config.App)) {
		l.config.App[name] = l.resolve(toml.Key{"app", name}, l.config.App[name])
	}
}

// namedSecret is a setting whose value the file does not hold, but names.
type namedSecret struct {
	setting
	at    origin
	table map[string]any
}

// resolveSecrets sets the settings that the file names as { env = "NAME" } or { file = "path" }, unless a later source has set them.
func (l *loader) resolveSecrets() {
	for _, name := range slices.Sorted(maps.Keys(l.named)) {
		n := l.named[name]
		if l.origins[name].source > n.at.source {
			continue
		}
		secret, found, err := l.secretNamed(n.table)
		if !found {
			err = errors.New(`it is neither a string in quotes nor a table { env = "NAME" } or { file = "path" }`)
		}
		l.set(n.setting, n.at, secret, err)
	}
}

// resolve returns a value of [app] with its secrets. key is the nearest key, of those that the file can have a line for.
func (l *loader) resolve(key toml.Key, value any) any {
	switch value := value.(type) {
	case map[string]any:
		if secret, found, err := l.secretNamed(value); found {
			if err != nil {
				l.errs.add(l.file.origin(key, key), err)
			}
			return secret
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			value[name] = l.resolve(append(slices.Clip(key), name), value[name])
		}
	case []any:
		for i := range value {
			value[i] = l.resolve(key, value[i])
		}
	}
	return value
}

// secretNamed returns the secret that a table names; found is false for any other table.
func (l *loader) secretNamed(table map[string]any) (secret Secret, found bool, err error) {
	if len(table) != 1 {
		return "", false, nil
	}
	if name, ok := table["env"].(string); ok {
		if secret = Secret(l.variables[name]); secret == "" {
			return "", true, fmt.Errorf("the variable %s is not set", oneLine(name))
		}
		return secret, true, nil
	}
	name, ok := table["file"].(string)
	if !ok {
		return "", false, nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(l.config.Path), name)
	}
	text, err := fileText(name, maxSecret, "a secret")
	if onPath, ok := errors.AsType[*fs.PathError](err); ok {
		err = onPath.Err
	}
	if line, ended := strings.CutSuffix(text, "\n"); ended {
		text = strings.TrimSuffix(line, "\r")
	}
	if err == nil && text == "" {
		err = errors.New("empty")
	}
	if err != nil {
		return "", true, fmt.Errorf("file %s: %w", oneLine(name), err)
	}
	return Secret(text), true, nil
}
