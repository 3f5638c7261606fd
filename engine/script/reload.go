package script

import (
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// Started is told that these scripts run from now on, in the turn in which they take over: they get the processes of those
// before them.
func (p *Program) Started() {
	p.started, p.adoption = true, nil
	p.children.Started()
	if p.options.From == 0 {
		return
	}
	renewal := p.options.Store.Renew(p.audience.Replace)
	var step func()
	step = func() {
		switch {
		case p.replaced: // other scripts go over all of it themselves
		case !renewal.Step():
			p.options.Next("reload", step)
		case renewal.Lost > 0:
			p.options.Log.Warn("script: functions and other values that belong to the scripts before are gone from server.state",
				"values", renewal.Lost, "generation", p.options.Generation)
		}
	}
	p.options.Next("reload", step)
}

// Adopt makes a value that other scripts have left behind one of these, in place, so that a table which also stands elsewhere
// stays that one: plain data stays as it is, clients and topics become what these scripts see of them. lost names the first
// thing that has no place here: "a function at [callback]". Until Started, a table that stands in several values is gone over,
// and what it loses named, once.
func (p *Program) Adopt(v wire.Value) (adopted wire.Value, lost string) {
	held, ok := v.(value.Value)
	if !ok {
		return v, ""
	}
	if p.adoption == nil || p.started {
		p.adoption = value.NewRenewer(p.audience.Replace)
	}
	out, lost := p.adoption.Renew(held.LValue)
	if p.started {
		p.adoption = nil
	}
	return value.Value{LValue: out, Text: held.Text}, lost
}

// Forget lets go of the object that stands for a client or topic.
func (p *Program) Forget(slot *any) { p.audience.Forget(slot) }

// Replaced is told that other scripts have taken over. done is called, on the loop, when nothing of these is left: no
// handler that waits, no turn or timer to come, no process that a handler has started.
func (p *Program) Replaced(done func()) {
	p.replaced, p.done = true, done
	p.look()
}

// Interrupt ends what is left of the scripts: handlers that wait go on with cause as an error, processes are terminated.
func (p *Program) Interrupt(cause error) {
	p.promises.Interrupt(cause)
	p.children.Terminate()
	p.look()
}

// release gives back one of the things that keep the program from its end.
func (p *Program) release() {
	p.kept--
	p.look()
}

// look ends a program that was replaced, once nothing of it is left.
func (p *Program) look() {
	if p.done == nil || p.kept > 0 || p.vm.Calls() > 0 || p.children.Alive() > 0 {
		return
	}
	done := p.done
	p.done = nil
	done()
}
