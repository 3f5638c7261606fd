package script

import (
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// Started is told that these scripts run from now on, in the turn in which they take over: they get the processes of those
// before them.
func (p *Program) Started() {
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

// Adopt makes a value that other scripts have left behind one of these: plain data is shared with them, clients and topics
// become what these scripts see of them. lost names the first thing that has no place here: "a function at [callback]".
func (p *Program) Adopt(v wire.Value) (adopted wire.Value, lost string) {
	held, ok := v.(value.Value)
	if !ok || value.IsPlain(held.LValue) {
		return v, ""
	}
	carrier := value.Carrier{Replace: p.audience.Replace}
	carrier.Begin(held.LValue)
	for !carrier.Step(adoptStep) {
		continue
	}
	out, lost := carrier.Result()
	return value.Value{LValue: out, Text: held.Text}, lost
}

// adoptStep is how many entries Adopt copies at a time; it does not stop between.
const adoptStep = 1 << 20

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
