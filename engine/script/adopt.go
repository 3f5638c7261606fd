package script

import (
	"perigee/engine/script/bind"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// adoption converts values of the previous generation.
type adoption struct {
	clients *bind.Clients
	renewer *value.Renewer // shared until endAdoption is called; afterwards each value has its own
	ended   bool
}

// Adopt converts a value of other scripts, in place, into a value of these scripts: plain data stays as it is, and clients and
// topics become the objects of these scripts. lost names the first thing that cannot be converted: "a function at [callback]".
// Until Start is called, a table that is part of several values is converted once, and its losses are named once.
func (a *adoption) Adopt(v wire.Value) (adopted wire.Value, lost string) {
	held, ok := v.(value.Value)
	if !ok {
		return v, ""
	}
	if a.renewer == nil || a.ended {
		a.renewer = value.NewRenewer(a.clients.Replace)
	}
	out, lost := a.renewer.Renew(held.LValue)
	if a.ended {
		a.renewer = nil
	}
	return value.Value{LValue: out, Text: held.Text}, lost
}

// ClearSlot drops the Lua object of a client or topic.
func (a *adoption) ClearSlot(slot *any) { a.clients.Forget(slot) }

// endAdoption is called when the scripts have taken over.
func (a *adoption) endAdoption() { a.ended, a.renewer = true, nil }
