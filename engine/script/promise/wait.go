package promise

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/loop"
	"perigee/engine/script/api"
	"perigee/engine/script/vm"
)

// How a wait ended.
const (
	pending     = iota
	fulfilled   // what was waited for has come
	overdue     // it lasted longer than Options.Timeout
	interrupted // what stands behind the handler that waits gave it up
	cutOff      // nobody may wait any more
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

// Wait suspends the handler that L runs until what it waits for calls wake, and raises an error where something else ends
// the wait: Options.Timeout, the cancellation of the handler's promise, Interrupt, or the end of the server. start is called on the
// loop, must raise nothing, and returns what calls off the thing that is waited for when nobody waits any more; nil where
// that is not possible. wake may be called by any goroutine.
func (k *Keeper) Wait(L *lua.LState, start func(wake func()) (callOff func())) {
	k.wait(L, k.options.Timeout, start)
}

// wait is Wait with a limit of its own; 0 is none.
func (k *Keeper) wait(L *lua.LState, limit time.Duration, start func(wake func()) (callOff func())) {
	t, w := k.task, &pause{}
	t.check(L)
	k.check(L)
	var callOff func()
	var stopLimit func() bool
	defer func() {
		delete(k.pauses, w)
		// Also where the coroutine that waits is let go, which unwinds it.
		if stopLimit != nil {
			stopLimit()
		}
		if callOff != nil && w.outcome.Load() != fulfilled {
			callOff()
		}
	}()
	err := k.options.VM.Await(L, func(wake func()) {
		w.wake = wake
		k.pauses[w] = struct{}{}
		if limit > 0 {
			stopLimit = k.options.After(limit, func() { w.end(overdue) })
		}
		callOff = start(func() { w.end(fulfilled) })
		t.waits(func() { w.end(interrupted) })
		k.task = nil
	})
	k.task = t
	t.waits(nil)
	switch {
	case errors.Is(err, loop.ErrTooManyWaiting):
		L.RaiseError("too many handlers are waiting (lua.max_waiting)")
	case err != nil:
		api.Raise(L, err)
	}
	switch w.outcome.Load() {
	case overdue:
		k.options.Log.Warn("script: handler waited too long", "handler", api.Caller(L).Name, "place", api.Where(L),
			"await_timeout", limit, "generation", k.options.Generation)
		L.RaiseError("waited longer than lua.await_timeout, %s", limit)
	case interrupted:
		t.check(L)
	case cutOff:
		k.check(L)
	}
}

// Room raises an error where L's code can put off nothing more: a script whose every turn puts off two others would fill
// the memory, and never take long.
func (k *Keeper) Room(L *lua.LState) {
	if k.options.Room() != nil {
		L.RaiseError("too much is put off already: commands, timers and promises that have yet to run")
	}
}

// check raises an error where nobody may wait any more.
func (k *Keeper) check(L *lua.LState) {
	if k.cut != nil {
		L.RaiseError("%s", k.cut)
	}
}

// WaitAsLongAs is Wait without Options.Timeout: what is waited for ends by itself.
func (k *Keeper) WaitAsLongAs(L *lua.LState, start func(wake func()) (callOff func())) {
	k.wait(L, 0, start)
}

// sleep waits for some milliseconds.
func (k *Keeper) sleep(L *lua.LState) int {
	d := api.Milliseconds(L, 1)
	if longest := k.options.Timeout; longest > 0 && d > longest {
		L.ArgError(1, "a handler may wait "+longest.String()+" at most (lua.await_timeout)")
	}
	k.wait(L, 0, func(wake func()) func() {
		if d == 0 {
			k.soon("sleep", wake)
			return nil
		}
		stop := k.options.After(d, wake)
		return func() { stop() }
	})
	return 0
}

// soon ends a wait after the turns that are queued, in its place among them. It takes half of what a timer takes.
func (k *Keeper) soon(name string, wake func()) {
	k.options.Next(name, func() { wake(); k.options.Rouse() })
}

// Within calls run. When ctx ends, what a handler that run calls waits for is called off: that wait, and every later one,
// is an error with the cause of ctx. Timers, promises and commands that it has put off are not its own.
func (k *Keeper) Within(ctx context.Context, run func()) {
	t, outer := &task{}, k.task
	k.task = t
	defer func() { k.task = outer }() // also where run panics
	defer context.AfterFunc(ctx, func() {
		// A loop that has ended needs nothing any more.
		_ = k.options.Post("interrupt", func() { t.cancel(context.Cause(ctx).Error()) })
	})()
	run()
}

// task is a call that can be interrupted: of an async function, by its promise, or of a command of another program. nil is
// a handler that nothing interrupts.
type task struct {
	cancelled string // what every wait says since it was interrupted; "" before
	interrupt func() // ends the wait that it is in; nil while it does not wait
}

// waits notes how the wait that begins can be interrupted; nil when it is over.
func (t *task) waits(interrupt func()) {
	if t != nil {
		t.interrupt = interrupt
	}
}

// cancel ends the wait that the task is in, and every later one.
func (t *task) cancel(why string) {
	t.cancelled = why
	if t.interrupt != nil {
		t.interrupt()
	}
}

// check raises an error where the task has been cancelled.
func (t *task) check(L *lua.LState) {
	if t != nil && t.cancelled != "" {
		vm.Raise(L, &vm.Error{Value: lua.LString(t.cancelled)})
	}
}
