package spec

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// jobList () returns the pushed jobs that have not run, in the order of the queue.
func (f *file) jobList(L *lua.LState) int {
	s, list := f.runningServer(L), L.NewTable()
	for _, j := range s.PendingJobs() {
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

// runJobs () runs the jobs that are due and returns their number.
func (f *file) runJobs(L *lua.LState) int {
	count, err := f.runningServer(L).RunJobs()
	raise(L, err)
	L.Push(lua.LNumber(count))
	return 1
}
