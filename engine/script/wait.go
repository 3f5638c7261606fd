package script

import (
	"errors"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/loop"
	"perigee/engine/script/vm"
)

// How a wait ended.
const (
	pending     = iota
	fulfilled   // what was waited for has come
	overdue     // it lasted longer than Options.AwaitTimeout
	interrupted // the promise of the async function that waits was cancelled
)

// pause is one wait of a handler. The first that ends it says how.
type pause struct {
	outcome atomic.Int32
	wake    func() // of the loop
}

func (w *pause) end(outcome int32) {
	if w.outcome.CompareAndSwap(pending, outcome) {
		w.wake()
	}
}

// wait suspends the handler that L runs until what it waits for calls wake, and raises an error where something else ends
// the wait: limit, if it is not 0, the cancellation of the handler's promise, or the end of the server. start is called on
// the loop, must raise nothing, and returns what calls off the thing that is waited for when nobody waits any more; nil
// where that is not possible. wake may be called by any goroutine.
func (p *Program) wait(L *lua.LState, limit time.Duration, start func(wake func()) (callOff func())) {
	t, w := p.task, &pause{}
	t.check(L)
	var callOff func()
	var stopLimit func() bool
	defer func() {
		// Also where the coroutine that waits is let go, which unwinds it.
		if stopLimit != nil {
			stopLimit()
		}
		if callOff != nil && w.outcome.Load() != fulfilled {
			callOff()
		}
	}()
	err := p.vm.Await(L, func(wake func()) {
		w.wake = wake
		if limit > 0 {
			stopLimit = p.options.After(limit, func() { w.end(overdue) })
		}
		callOff = start(func() { w.end(fulfilled) })
		t.waits(func() { w.end(interrupted) })
		p.task = nil
	})
	p.task = t
	t.waits(nil)
	switch {
	case errors.Is(err, loop.ErrTooManyWaiting):
		L.RaiseError("too many handlers are waiting (lua.max_waiting)")
	case err != nil:
		raise(L, err)
	}
	switch w.outcome.Load() {
	case overdue:
		p.options.Log.Warn("script: handler waited too long", "handler", caller(L).name, "place", Where(L),
			"await_timeout", limit, "generation", p.options.Generation)
		L.RaiseError("waited longer than lua.await_timeout, %s", limit)
	case interrupted:
		t.check(L)
	}
}

// sleep waits for some milliseconds.
func (p *Program) sleep(L *lua.LState) int {
	d := milliseconds(L, 1)
	if longest := p.options.AwaitTimeout; longest > 0 && d > longest {
		L.ArgError(1, "a handler may wait "+longest.String()+" at most (lua.await_timeout)")
	}
	p.wait(L, 0, func(wake func()) func() {
		stop := p.options.After(d, wake)
		return func() { stop() }
	})
	return 0
}

// task is a call of an async function: what its promise can interrupt. nil is a handler that no promise stands for.
type task struct {
	cancelled bool
	interrupt func() // ends the wait that it is in; nil while it does not wait
}

// waits notes how the wait that begins can be interrupted; nil when it is over.
func (t *task) waits(interrupt func()) {
	if t != nil {
		t.interrupt = interrupt
	}
}

// cancel ends the wait that the task is in, and every later one.
func (t *task) cancel() {
	t.cancelled = true
	if t.interrupt != nil {
		t.interrupt()
	}
}

// check raises an error where the task has been cancelled.
func (t *task) check(L *lua.LState) {
	if t != nil && t.cancelled {
		vm.Raise(L, &vm.Error{Value: lua.LString(cancelledText)})
	}
}
