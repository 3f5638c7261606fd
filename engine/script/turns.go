package script

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/promise"
	"perigee/engine/script/vm"
)

// turns runs the code of one generation on the loop. Its Defer, Post and Await are those of the loop, for turns that run code of
// the scripts.
type turns struct {
	scriptLoop

	host       Host
	lifetime   *lifetime
	generation int
	onRun      func(generation int)
}

var _ bind.Turns = (*turns)(nil)

// enter reports that code of this generation starts or resumes.
func (t *turns) enter() {
	if t.onRun != nil {
		t.onRun(t.generation)
	}
}

// Await suspends the present turn.
func (t *turns) Await(start func(wake func())) error {
	defer t.enter()
	return t.scriptLoop.Await(start)
}

// Defer queues a turn from within a turn. The generation lives at least until that turn has run.
func (t *turns) Defer(name string, run func()) {
	t.lifetime.deferred++
	t.scriptLoop.Defer(name, func() {
		t.lifetime.deferred--
		t.run(run)
	})
}

// Post queues a turn from another goroutine.
func (t *turns) Post(name string, run func()) error {
	return t.scriptLoop.Post(name, func() { t.run(run) })
}

// run runs a turn. Every turn of the scripts ends with its changes of the roster sent.
func (t *turns) run(turn func()) {
	defer t.lifetime.closeIfIdle()
	defer t.host.Roster()
	t.enter()
	turn()
}

// call runs a function of the scripts as one protected call within the present turn.
func (t *turns) call(c *api.Call, fn lua.LValue, args ...lua.LValue) (lua.LValue, error) {
	defer t.lifetime.closeIfIdle()
	t.enter()
	return c.Run(t.lifetime.vm, 0, fn, args...)
}

// lifetime closes a generation that other scripts have replaced, once nothing of it is left.
type lifetime struct {
	vm        *vm.VM
	promises  *promise.Runtime
	processes *bind.Processes

	deferred int    // turns, and timers with a function, that have yet to run
	replaced bool   // other scripts have taken over
	done     func() // of Retire; nil before, and once it has been called
}

// Retire is called when other scripts have taken over. done is called on the loop once nothing of these is left: no handler
// that waits, no turn or timer that has yet to run, no process that a handler has started.
func (l *lifetime) Retire(done func()) {
	l.replaced, l.done = true, done
	l.closeIfIdle()
}

// Interrupt ends what is left of the scripts: the waits of handlers fail with cause, processes are terminated.
func (l *lifetime) Interrupt(cause error) {
	l.promises.Interrupt(cause)
	l.processes.Terminate()
	l.closeIfIdle()
}

// timerEnded is called when a timer with a function is over.
func (l *lifetime) timerEnded() {
	l.deferred--
	l.closeIfIdle()
}

func (l *lifetime) closeIfIdle() {
	if l.done == nil || l.deferred > 0 || l.vm.Calls() > 0 || l.processes.Alive() > 0 {
		return
	}
	done := l.done
	l.done = nil
	done()
}
