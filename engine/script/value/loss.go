package value

import lua "github.com/yuin/gopher-lua"

// loss is the first thing that became nothing on the way to another machine: "a function at [callback]", "" for none.
type loss string

// note keeps it, unless there was one before.
func (l *loss) note(what, path string) {
	if *l != "" {
		return
	}
	if path != "" {
		what += " at " + path
	}
	*l = loss(what)
}

// replaced returns what a value that is no table becomes: plain data stays, of all else replace says what stands for it.
func (l *loss) replaced(v lua.LValue, path string, replace func(v lua.LValue) lua.LValue) lua.LValue {
	if IsScalar(v) {
		return v
	}
	to := replace(v)
	if to == nil {
		l.note(kind(v), path)
		return lua.LNil
	}
	return to
}
