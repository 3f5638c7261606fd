// Package promise owns the waits of scripts: promises, async functions, sleep, and the time-limited wait behind everything that
// suspends a handler. It must not know what a handler waits for, nor what the server does.
//
// Everything here happens on the loop, unless a comment says otherwise.
package promise

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/quota"
	"perigee/engine/script/api"
	"perigee/engine/script/operator"
	"perigee/engine/script/vm"
)

// cancelledText is the reason with which a cancelled promise is rejected.
const cancelledText = "cancelled"

// Loop is the loop that runs the scripts. Post and AfterFunc may be called by any goroutine.
type Loop interface {
	Now() time.Time
	// AfterFunc calls f on another goroutine after d. stop prevents that and reports whether it was in time.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
	// Post queues a turn. The error says that the loop has ended.
	Post(name string, run func()) error
	// Defer queues a turn from within a turn. It is dropped if the loop ends before its time.
	Defer(name string, run func())
	// CheckDeferred returns an error if the scripts have deferred too many turns.
	CheckDeferred() error
	// RunWoken runs the woken turns right after the present one.
	RunWoken()
	// Owner returns the owner of the present turn, and As calls run on behalf of one.
	Owner() *quota.Owner
	As(o *quota.Owner, run func())
}

var _ Loop = (*loop.Loop)(nil)

// Options are the options of a Runtime.
type Options struct {
	VM   *vm.VM
	Loop Loop
	// Turn queues a turn that runs code of the scripts.
	Turn func(name string, run func())
	// Timeout bounds each wait of a handler; 0 means no limit.
	Timeout time.Duration
	// Generation is the number of the program's generation, for the log.
	Generation int
	Log        *slog.Logger
}

// Runtime makes the promises of one program and suspends its handlers.
type Runtime struct {
	options    Options
	metatable  *lua.LTable              // of promises
	task       *task                    // the cancellable call that runs; nil if none does
	rejections logging.Throttle         // unhandled ones, by place
	waits      map[*suspension]struct{} // of the handlers that wait

	due      []func() // reactions that have yet to run
	reacting bool     // they are running

	interruption error // why no handler may wait any more; nil while they may
}

// New returns the promise runtime of a program.
func New(o Options) *Runtime { return &Runtime{options: o, waits: map[*suspension]struct{}{}} }

// Interrupt ends every wait, and every later one as soon as it begins, with cause as an error.
func (r *Runtime) Interrupt(cause error) {
	r.interruption = cause
	for w := range r.waits {
		w.end(interrupted)
	}
}

// promise is a result that comes later. It settles once: it is fulfilled with a value or rejected with a reason.
type promise struct {
	runtime *Runtime
	place   string // where it was made
	task    *task  // the call whose result it is; nil if it is none

	settled  bool
	rejected bool
	value    lua.LValue // or the reason
	trace    string     // of the error that is the reason
	cause    error      // of that error, as in vm.Error

	resolved  bool // resolve or reject was called; it may still wait for the promise that it was resolved with
	handled   bool // a rejection is handled
	reactions []*reaction
}

// reaction runs within the turn that settles a promise.
type reaction struct{ run func() }

func (p *promise) String() string {
	switch {
	case !p.settled:
		return "promise (pending)"
	case p.rejected:
		return "promise (rejected)"
	}
	return "promise (resolved)"
}

// newPromise returns a pending promise.
func (r *Runtime) newPromise(place string) *promise {
	return &promise{runtime: r, place: place, value: lua.LNil}
}

// resolve fulfils a promise with a value. If the value is a promise, this one settles as that one does.
func (p *promise) resolve(value lua.LValue) {
	if p.resolved {
		return
	}
	p.resolved = true
	other, _ := api.ObjectOf[*promise](value)
	switch other {
	case nil:
		p.settle(false, value)
	case p:
		p.settle(true, lua.LString("a promise cannot wait for itself"))
	default:
		other.whenSettled(func() { p.follow(other) })
	}
}

// reject rejects a promise with a reason.
func (p *promise) reject(reason lua.LValue) {
	if !p.resolved {
		p.resolved = true
		p.settle(true, reason)
	}
}

// settleWith settles a promise with the outcome of a call. A call that ended because the server stops leaves it pending.
func (p *promise) settleWith(result lua.LValue, err error) {
	if err == nil {
		p.resolve(result)
		return
	}
	failure, ok := errors.AsType[*vm.Error](err)
	switch {
	case !ok:
		p.reject(lua.LString(err.Error()))
	case errors.Is(failure, vm.ErrStopped):
	default:
		if !p.resolved {
			p.trace, p.cause = failure.Traceback, failure.Cause
		}
		p.reject(failure.Value)
	}
}

// follow settles a promise as another one has settled.
func (p *promise) follow(other *promise) {
	p.resolved = true
	if !p.settled {
		p.trace, p.cause = other.trace, other.cause
	}
	p.settle(other.rejected, other.value)
}

// cancel rejects a pending promise and cancels the call whose result it is.
func (p *promise) cancel() {
	if p.settled {
		return
	}
	p.resolved = true
	p.settle(true, lua.LString(cancelledText))
	if p.task != nil {
		p.task.cancel(cancelledText)
	}
}

func (p *promise) settle(rejected bool, value lua.LValue) {
	if p.settled {
		return
	}
	p.settled, p.rejected, p.value = true, rejected, value
	reactions := p.reactions
	p.reactions = nil
	p.runtime.react(reactions)
	if rejected && !p.handled && value != lua.LString(cancelledText) {
		// Code that gets the promise in this turn may still handle it.
		p.runtime.options.Loop.Defer("promise "+p.place, p.logUnhandled)
	}
}

// react runs reactions, and those of the promises that they settle. It runs them one after the other, not one within the
// other: scripts can make chains of promises that would overflow the stack.
func (r *Runtime) react(reactions []*reaction) {
	for _, reaction := range reactions {
		r.due = append(r.due, reaction.run)
	}
	if r.reacting {
		return
	}
	r.reacting = true
	defer func() { r.due, r.reacting = nil, false }()
	for len(r.due) > 0 {
		run := r.due[0]
		r.due[0] = nil
		r.due = r.due[1:]
		run()
	}
}

// logUnhandled logs an unhandled rejection, once a second at most for each place. If a limit of the connection was the cause, the
// loop has reported that.
func (p *promise) logUnhandled() {
	if p.handled || loop.RefusedOwner(p.cause) {
		return
	}
	line := p.runtime.rejections.Allow(p.place, p.runtime.options.Loop.Now())
	if !line.Allowed {
		return
	}
	fields := []any{
		"place", p.place, "error", logging.Clip(text(p.value), logging.MaxValue), "suppressed", line.Suppressed,
		"generation", p.runtime.options.Generation,
	}
	if p.trace != "" {
		fields = append(fields, "traceback", p.trace)
	}
	p.runtime.options.Log.Error("script: unhandled promise rejection", fields...)
}

// text returns a reason as the log shows it. It runs no Lua.
func text(reason lua.LValue) string {
	if table, ok := reason.(*lua.LTable); ok {
		if message, ok := table.RawGetString("message").(lua.LString); ok {
			return fmt.Sprintf("(a table with message %q)", string(message))
		}
	}
	if lua.LVCanConvToString(reason) {
		return operator.TextOf(reason)
	}
	return fmt.Sprintf("(a %s value)", reason.Type())
}

// whenSettled calls run within the turn that settles a promise, or now if it has settled. forget prevents that. A rejection
// counts as handled.
func (p *promise) whenSettled(run func()) (forget func()) {
	p.handled = true
	if p.settled {
		run()
		return func() {}
	}
	r := &reaction{run}
	p.reactions = append(p.reactions, r)
	return func() {
		p.reactions = slices.DeleteFunc(p.reactions, func(other *reaction) bool { return other == r })
	}
}

// then returns the promise of a callback's result. If the callback is nil, that promise settles as p does. The callback belongs to
// the owner of the present turn, not to that of the turn that settles p.
func (p *promise) then(c *api.Call, place string, fulfilled, failed *lua.LFunction) *promise {
	runtime := p.runtime
	next, owner := runtime.newPromise(place), runtime.options.Loop.Owner()
	react := func() {
		runtime.options.Turn(c.Name, func() {
			fn := fulfilled
			if p.rejected {
				fn = failed
			}
			if next.settled { // it was cancelled
				return
			}
			if fn == nil {
				next.follow(p)
				return
			}
			next.settleWith(runtime.options.VM.Call(c, 0, fn, p.value))
		})
	}
	p.whenSettled(func() { runtime.options.Loop.As(owner, react) })
	return next
}
