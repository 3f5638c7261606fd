package api

import lua "github.com/yuin/gopher-lua"

// Refusal is the cause of the error that server.refuse raises: a script refuses what it was asked to do, which is no bug.
type Refusal struct {
	Reason string // a sentence for whoever asked
	object lua.LValue
}

// NewRefusal returns a refusal as a Lua object.
func NewRefusal(reason string, metatable *lua.LTable) lua.LValue {
	r := &Refusal{Reason: reason}
	r.object = NewObject(r, metatable)
	return r.object
}

func (r *Refusal) Error() string { return r.Reason }

// String is what tostring returns.
func (r *Refusal) String() string { return r.Reason }
