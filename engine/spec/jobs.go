package spec

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// jobList () returns the jobs that the scripts have pushed and that have not been done, in the order of the queue.
func (f *file) jobList(L *lua.LState) int {
	s, list := f.present(L), L.NewTable()
	for _, j := range s.Waiting() {
		arguments, err := value.Decode(j.Arguments, value.Limits{}, value.Null())
		raise(L, err)
		row := L.NewTable()
		row.RawSetString("command", lua.LString(j.Command))
		row.RawSetString("arguments", arguments)
		row.RawSetString("delay", lua.LNumber(j.Delay.Milliseconds()))
		row.RawSetString("priority", lua.LNumber(j.Priority))
		list.Append(row)
	}
	L.Push(list)
	return 1
}

// doJobs () does the jobs that are due, and returns how many.
func (f *file) doJobs(L *lua.LState) int {
	count, err := f.present(L).Work()
	raise(L, err)
	L.Push(lua.LNumber(count))
	return 1
}
