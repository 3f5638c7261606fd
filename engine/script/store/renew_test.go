package store

import (
	"fmt"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// exchange returns a function that replaces one object by another and drops everything else.
func exchange(from, to *lua.LUserData) func(v lua.LValue) lua.LValue {
	return func(v lua.LValue) lua.LValue {
		if v == from || v == to {
			return to
		}
		return nil
	}
}

// Objects that are keys are replaced by those of the new scripts, and their entries are found under them; metatables and function
// keys of the old scripts are removed and counted.
func TestRenewKeysAndMetatables(t *testing.T) {
	s, l := storeWith(t, `return {st = {members = {}, plain = {1, 2}}}`)
	before, after := &lua.LUserData{Value: 1}, &lua.LUserData{Value: 1}
	l.SetGlobal("before", before)
	l.SetGlobal("after", after)
	run(t, l, `st.members[1] = "first" st.members[before] = {before} st.members.text = 1 st.members[function() end] = 2
		setmetatable(st.plain, {__index = function() return "old" end})`)
	r := s.Renew(exchange(before, after))
	for !r.Step() {
		continue
	}
	if r.Lost != 2 {
		t.Errorf("Lost = %d, want 2: a metatable and a key", r.Lost)
	}
	run(t, l, `local n = 0 for _ in pairs(st.members) do n = n + 1 end
		assert(n == 3, n .. " entries, want 3")
		assert(st.members[after][1] == after, "want the entry under the new key")
		assert(st.members[before] == nil, "want nothing under the old key")
		assert(getmetatable(st.plain) == nil and st.plain[2] == 2, "want no metatable, and the list as it was")`)
}

// An entry that a script has set under the new key before it is renewed stays.
func TestRenewKeepsTheNewerEntry(t *testing.T) {
	s, l := storeWith(t, `return {st = {}}`)
	before, after := &lua.LUserData{Value: 1}, &lua.LUserData{Value: 1}
	l.SetGlobal("before", before)
	l.SetGlobal("after", after)
	run(t, l, `st[before] = "old" st[after] = "new"`)
	s.Renew(exchange(before, after)).Step()
	run(t, l, `assert(st[after] == "new" and st[before] == nil, "want the newer entry alone")`)
}

// A list that is shifted between two steps is renewed completely.
func TestRenewWhileAListMoves(t *testing.T) {
	s, l := storeWith(t, `return {queue = {}}`)
	before, after := &lua.LUserData{Value: 1}, &lua.LUserData{Value: 1}
	l.SetGlobal("before", before)
	run(t, l, fmt.Sprintf(`for i = 1, %d do queue[i] = i end queue[%d] = before queue.key = before`, value.StepEntries+100, value.StepEntries+1))
	r := s.Renew(exchange(before, after))
	if r.Step() {
		t.Fatal("Step = true, want the list to take two")
	}
	run(t, l, `table.remove(queue, 1)`)
	for !r.Step() {
		continue
	}
	run(t, l, `for key, v in pairs(queue) do assert(v ~= before, "the old object is still at " .. key) end`)
}
