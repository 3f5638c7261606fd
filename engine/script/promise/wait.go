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

// Outcomes of a wait.
const (
	pending     = iota
	fulfilled   // the awaited event has come
	timedOut    // it took longer than Options.Timeout
	cancelled   // the handler's task was cancelled
	interrupted // Runtime.Interrupt was called
)

// suspension is one wait of a handler. Its first end decides the outcome.
type suspension struct {
	outcome atomic.Int32
	wake    func() // of the loop
}

func (w *suspension) end(outcome int32) {
	if w.outcome.CompareAndSwap(pending, outcome) {
		w.wake()
	}
}

// Wait suspends the handler that L runs until wake is called. It raises an error if something else ends the wait:
// Options.Timeout, the cancellation of the handler's promise, Interrupt, or the end of the server. start is called on the
// loop and must raise nothing; it returns the function that aborts the operation if the wait ends early, or nil. Any
// goroutine may call wake.
func (r *Runtime) Wait(L *lua.LState, start func(wake func()) (abort func())) {
	r.wait(L, r.options.Timeout, start)
}

// wait is Wait with another time limit; 0 means none.
func (r *Runtime) wait(L *lua.LState, limit time.Duration, start func(wake func()) (abort func())) {
	t, w := r.task, &suspension{}
	t.check(L)
	r.checkInterrupted(L)
	var abort func()
	var stopLimit func() bool
	defer func() {
		delete(r.waits, w)
		// This also runs if the waiting coroutine is dropped, which unwinds it.
		if stopLimit != nil {
			stopLimit()
		}
		if abort != nil && w.outcome.Load() != fulfilled {
			abort()
		}
	}()
	err := r.options.VM.Await(L, func(wake func()) {
		w.wake = wake
		r.waits[w] = struct{}{}
		if limit > 0 {
			stopLimit = r.options.Loop.AfterFunc(limit, func() { w.end(timedOut) })
		}
		abort = start(func() { w.end(fulfilled) })
		t.setCancelWait(func() { w.end(cancelled) })
		r.task = nil
	})
	r.task = t
	t.setCancelWait(nil)
	if refused, ok := errors.AsType[*loop.WaitingError](err); ok {
		vm.RaiseCause(L, refusal(refused), refused)
	}
	api.Raise(L, err)
	switch w.outcome.Load() {
	case timedOut:
		r.options.Log.Warn("script: handler waited too long", "handler", api.Caller(L).Name, "place", api.CallSite(L),
			"await_timeout", limit, "generation", r.options.Generation)
		L.RaiseError("waited longer than lua.await_timeout, %s", limit)
	case cancelled:
		t.check(L)
	case interrupted:
		r.checkInterrupted(L)
	}
}

// refusal returns the error of a wait that is refused as scripts see it.
func refusal(e *loop.WaitingError) string {
	switch {
	case e.Own:
		return "too many handlers of this connection are waiting (limits.waiting_per_connection)"
	case e.Owner != nil:
		return "too many handlers of this connection, job or timer are waiting (lua.max_waiting)"
	}
	return "too many handlers are waiting (lua.max_waiting)"
}

// CheckDeferred raises an error if the scripts have deferred too many turns: a script whose every turn defers two others
// would fill the memory without ever exceeding a time limit.
func (r *Runtime) CheckDeferred(L *lua.LState) {
	if r.options.Loop.CheckDeferred() != nil {
		L.RaiseError("too many commands, timers and promises are pending")
	}
}

// checkInterrupted raises an error if handlers may no longer wait.
func (r *Runtime) checkInterrupted(L *lua.LState) {
	if r.interruption != nil {
		L.RaiseError("%s", r.interruption)
	}
}

// WaitUntimed is Wait without Options.Timeout, for operations that end by themselves.
func (r *Runtime) WaitUntimed(L *lua.LState, start func(wake func()) (abort func())) {
	r.wait(L, 0, start)
}

// sleep waits for some milliseconds.
func (r *Runtime) sleep(L *lua.LState) int {
	d := api.CheckMilliseconds(L, 1)
	if longest := r.options.Timeout; longest > 0 && d > longest {
		L.ArgError(1, "a handler may wait "+longest.String()+" at most (lua.await_timeout)")
	}
	r.wait(L, 0, func(wake func()) func() {
		if d == 0 {
			r.wakeNext("sleep", wake)
			return nil
		}
		stop := r.options.Loop.AfterFunc(d, wake)
		return func() { stop() }
	})
	return 0
}

// wakeNext ends a wait after the turns that are queued already. It costs half of what a timer costs.
func (r *Runtime) wakeNext(name string, wake func()) {
	r.options.Loop.Defer(name, func() { wake(); r.options.Loop.RunWoken() })
}

// Within calls run. When ctx ends, the wait of a handler that run calls fails, as does every later one, with the cause of
// ctx. Timers, promises and commands that the handler has deferred are not affected.
func (r *Runtime) Within(ctx context.Context, run func()) {
	t, outer := &task{}, r.task
	r.task = t
	defer func() { r.task = outer }() // also if run panics
	defer context.AfterFunc(ctx, func() {
		// If the loop has ended there is no wait left to cancel.
		_ = r.options.Loop.Post("interrupt", func() { t.cancel(context.Cause(ctx).Error()) })
	})()
	run()
}

// task is a call that can be cancelled: that of an async function, by its promise, or a command of another program. A nil
// task is a handler that cannot be cancelled.
type task struct {
	reason     string // of the cancellation, which every wait raises; "" until then
	cancelWait func() // ends the present wait; nil while the task does not wait
}

// setCancelWait notes how the wait that begins can be cancelled; nil at its end.
func (t *task) setCancelWait(cancel func()) {
	if t != nil {
		t.cancelWait = cancel
	}
}

// cancel ends the present wait of the task and every later one.
func (t *task) cancel(reason string) {
	t.reason = reason
	if t.cancelWait != nil {
		t.cancelWait()
	}
}

// check raises an error if the task has been cancelled.
func (t *task) check(L *lua.LState) {
	if t != nil && t.reason != "" {
		vm.Raise(L, &vm.Error{Value: lua.LString(t.reason)})
	}
}
