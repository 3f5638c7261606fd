package vm

import (
	"errors"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Await is for Go functions that scripts call. It suspends the turn until wake is called, however deep in Go and Lua functions
// L's code is. start is called once, when the wait begins; any goroutine may call wake. The slice ends when the wait begins, and
// another one has begun when Await returns. The error is ErrStopped if the wait was aborted, after which L's code cannot continue;
// the cause of a limit that has tripped already; or the error that refused the wait. The caller raises it in L.
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

// await waits on behalf of t. Only the Go stack of the outermost Call can be suspended by the owner, so a coroutine passes the
// wait to the code that resumed it.
func (v *VM) await(t *thread, start func(wake func())) error {
	if t.co != nil {
		t.co.switchOut(t, start)
		return t.co.waited
	}
	started, err := v.suspend(t, start)
	if err != nil && (started || v.options.Stopped != nil && errors.Is(err, v.options.Stopped)) {
		v.limits.trip(v.limits.state.Load(), trippedStopped)
		return ErrStopped
	}
	return err
}

// suspend ends the slice and begins another one, unless the wait is refused: a script that tries again and again would hold the
// loop for good.
func (v *VM) suspend(t *thread, start func(wake func())) (started bool, err error) {
	var timeout time.Duration
	defer func() {
		if started {
			v.limits.begin(timeout)
			v.setCurrent(t)
		}
	}()
	err = v.options.Await(func(wake func()) {
		if v.options.OnRun != nil {
			v.options.OnRun(Caller(t.L), true)
		}
		started, timeout = true, v.limits.end()
		v.setCurrent(nil)
		start(wake)
	})
	return started, err
}
