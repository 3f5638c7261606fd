package script

import (
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
)

// dotted says what is wrong with a hook that was written with a dot, which would get the manager in place of its first
// argument; "" where nothing is.
func dotted(hook api.Function, fn *lua.LFunction) string {
	if fn.IsG || fn.Proto.NumParameters == 0 || len(fn.Proto.DbgLocals) == 0 {
		return ""
	}
	names := hook.Parameters()
	if !slices.Contains(names, fn.Proto.DbgLocals[0].Name) {
		return ""
	}
	return fmt.Sprintf("%s:%d: %s would get the manager as its %s: write function manager:%s(%s), with a colon",
		fn.Proto.SourceName, fn.Proto.LineDefined, hook.Name, fn.Proto.DbgLocals[0].Name, hook.Name, strings.Join(names, ", "))
}
