package script

import (
	"io/fs"
	"slices"
	"strings"

	"perigee/engine/config"
	"perigee/engine/script/api"
)

// baseMessages is the directory of the modules that the base manager's boot requires.
const baseMessages = "messages"

// lacksBaseMessages reports whether no module of the base messages has been loaded: the base manager's boot has not run.
func (p *Program) lacksBaseMessages() bool {
	files, err := fs.Glob(p.options.Builtin, baseMessages+"/*.lua")
	if err != nil || len(files) == 0 {
		return false // the binary has none
	}
	for _, file := range files {
		name := strings.ReplaceAll(strings.TrimSuffix(file, ".lua"), "/", ".")
		if p.loader.Has(name) {
			return false
		}
	}
	return true
}

// similarHook returns the hook that a name resembles, such as open for "Open", "onOpen", "on_open" and "opne". It returns "" for
// the name of a hook and for any other name.
func similarHook(name string) string {
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "")
	all := append(hookFunctions(), api.Function{Name: "boot"})
	if slices.ContainsFunc(all, func(h api.Function) bool { return h.Name == name }) {
		return ""
	}
	for _, h := range all {
		if h.Name == plain || h.Name == strings.TrimPrefix(plain, "on") || isMisspelt(plain, h.Name) {
			return h.Name
		}
	}
	return ""
}

// similarField returns the field user, roles or data of a client that a name resembles, such as roles for "role", "rolls" and "Roles", and
// user for "users" and "user_id". It returns "" for these fields themselves and for any other name.
func similarField(name string) string {
	fields := []string{"user", "roles", "data"}
	if slices.Contains(fields, name) {
		return ""
	}
	plain := strings.TrimSuffix(strings.ReplaceAll(strings.ToLower(name), "_", ""), "id")
	for _, field := range fields {
		// A short name of the same length, such as "date", is a word of its own.
		if d := config.Distance(plain, field); d == 0 || d == 1 && (len(plain) != len(field) || len(field) >= minMisspelt) {
			return field
		}
	}
	return ""
}

// minMisspelt is the length of a hook from which on a name with one letter more or less counts as misspelt: shorter ones, such
// as "stops" and "top", are words of their own.
const minMisspelt = 5

// isMisspelt reports whether two neighbouring letters of a name are swapped, or one is missing or superfluous.
func isMisspelt(name, right string) bool {
	first := 0
	for first < min(len(name), len(right)) && name[first] == right[first] {
		first++
	}
	switch len(name) - len(right) {
	case 0:
		return first+1 < len(name) && name[first] == right[first+1] && name[first+1] == right[first] && name[first+2:] == right[first+2:]
	case 1:
		return len(right) >= minMisspelt && name[first+1:] == right[first:]
	case -1:
		return len(right) >= minMisspelt && name[first:] == right[first+1:]
	}
	return false
}
