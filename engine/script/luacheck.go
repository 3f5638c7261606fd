package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"perigee/engine/script/api"
)

// Luacheck returns settings of luacheck for an application: the globals that scripts find, and those of specs.
func Luacheck(specs api.Description) string {
	globals := map[string][]string{"require": nil}
	for name, library := range described().known().Globals {
		globals[name] = nil
		if library != nil {
			globals[name] = slices.Sorted(maps.Keys(library.Members))
		}
	}
	inSpecs := map[string][]string{}
	for _, f := range specs.Globals {
		name, field, _ := strings.Cut(f.Name, ".")
		inSpecs[name] = slices.DeleteFunc(append(inSpecs[name], field), func(field string) bool { return field == "" })
	}
	return fmt.Sprintf(`-- Settings of luacheck, written by perigee init: the globals that scripts find, and those of specs.
std = {
  read_globals = {
%s  },
}
files["**/*_spec.lua"] = {
  read_globals = {
%s  },
}

-- The manager's hooks take self whether they need it or not.
self = false
exclude_files = { "types/*.lua" }
`, luacheckGlobals(globals), luacheckGlobals(inSpecs))
}

// luacheckGlobals returns the items of a list of globals with their fields.
func luacheckGlobals(globals map[string][]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(globals)) {
		if len(globals[name]) == 0 {
			fmt.Fprintf(&b, "    %q,\n", name)
			continue
		}
		fmt.Fprintf(&b, "    %s = { fields = { \"%s\" } },\n", name, strings.Join(globals[name], `", "`))
	}
	return b.String()
}
