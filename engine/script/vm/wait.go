package vm

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
)

// Await is for Go functions that scripts call: it suspends the turn until wake is called, wherever L's code is. start is
// called once, when the wait begins, and hands wake to whatever will end it; any goroutine may call wake. The slice ends,
// and when Await returns another has begun. The error is ErrStopped when the wait was cut off, after which L's code goes
// no further; the cause of a limit that has tripped already; or what refused the wait. The function raises it in L.
func (v *VM) Await(L *lua.LState, start func(wake func())) error {
	t := threadOf(L)
	if t == nil || v.options.Await == nil {
		return ErrCannotWait
	}
	if err := v.limits.cause(); err != nil {
		return err
	}
	return v.await(t, start)
}

// await waits on behalf of t. Only the Go stack of the outermost Call can be suspended by the owner: a coroutine hands
// the wait to whoever resumed it.
func (v *VM) await(t *thread, start func(wake func())) error {
	if t.co != nil {
		t.co.leave(t, start)
		return t.co.waited
	}
	started := false
	err := v.suspend(t, func(wake func()) {
		started = true
		start(wake)
	})
	if err != nil && (started || v.options.Stopped != nil && errors.Is(err, v.options.Stopped)) {
		v.limits.trip(v.limits.word.Load(), trippedStopped)
		return ErrStopped
	}
	return err
}

func (v *VM) suspend(t *thread, start func(wake func())) error {
	timeout := v.limits.end()
	v.enter(nil)
	defer func() {
		v.limits.begin(timeout)
		v.enter(t)
	}()
	return v.options.Await(start)
}
