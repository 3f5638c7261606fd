// Package promise is what scripts wait with: promises, async functions, sleep, and the bounded wait that everything else
// waits by which suspends a handler. It knows neither what is waited for nor what serves the scripts.
//
// Everything here happens on the loop, except what is said to be otherwise.
package promise

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
	"perigee/engine/script/api"
	"perigee/engine/script/vm"
)

// cancelledText is what a cancelled promise is rejected with.
const cancelledText = "cancelled"

// Options are what the promises of a program need of it and of the loop.
type Options struct {
	VM *vm.VM
	// Timeout is how long a handler may wait for one thing; 0 is for ever.
	Timeout time.Duration
	// Generation is the number of the program's set of scripts, for the log.
	Generation int
	Log        *slog.Logger

	// Next runs something after the turns that are queued already, as loop.Loop has it; Turn also does what is done at the
	// end of every turn of the scripts.
	Next, Turn func(name string, run func())
	// Room tells, by an error, that the scripts have put off too many turns, as loop.Loop has it.
	Room func() error
	// Post hands the loop a turn from another goroutine, as loop.Loop has it.
	Post func(name string, run func()) error
	// Rouse has those whose waits are over go on right after the present turn, as loop.Loop has it.
	Rouse func()
	// After calls back on any goroutine, as loop.Clock has it.
	After func(d time.Duration, f func()) (stop func() bool)
	// Now tells the time.
	Now func() time.Time
}

// Keeper makes the promises of one program, and has its handlers wait.
type Keeper struct {
	options    Options
	metatable  *lua.LTable      // of promises
	task       *task            // the call that runs and can be interrupted; nil where none does
	rejections logging.Throttle // that nobody handled, by place

	pauses map[*pause]struct{} // of the handlers that wait

	due      []func() // reactions that are still to run
	reacting bool     // they are being run
	cut      error    // why nobody may wait any more; nil while they may
}

// New returns what makes the promises of a program.
func New(o Options) *Keeper { return &Keeper{options: o, pauses: map[*pause]struct{}{}} }

// Interrupt has every handler that waits, and every one that would from now on, go on with cause as an error.
func (k *Keeper) Interrupt(cause error) {
	k.cut = cause
	for w := range k.pauses {
		w.end(cutOff)
	}
}

// promise is a result that comes later. It settles once, with a value or with the reason why there is none.
type promise struct {
	keeper *Keeper
	place  string // where it was made
	task   *task  // the call that it stands for; nil where none

	settled  bool
	rejected bool
	value    lua.LValue // or the reason
	trace    string     // of the error that is the reason

	claimed   bool // resolve or reject was called; it may still wait for the promise that it was resolved with
	handled   bool // somebody wants to know of a rejection
	reactions []*reaction
}

// reaction is what happens on the loop, within the turn that settles a promise.
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

// promise returns one that somebody has yet to settle.
func (k *Keeper) promise(place string) *promise {
	return &promise{keeper: k, place: place, value: lua.LNil}
}

// resolve settles a promise with a value; with that of another promise once that has settled.
func (p *promise) resolve(value lua.LValue) {
	if p.claimed {
		return
	}
	p.claimed = true
	other := asPromise(value)
	switch other {
	case nil:
		p.settle(false, value)
	case p:
		p.settle(true, lua.LString("a promise cannot wait for itself"))
	default:
		other.whenSettled(func() { p.follow(other) })
	}
}

// reject settles a promise with the reason why there is no value.
func (p *promise) reject(reason lua.LValue) {
	if !p.claimed {
		p.claimed = true
		p.settle(true, reason)
	}
}

// finish settles a promise as a call ended. A call that was cut off because the server stops leaves it as it is.
func (p *promise) finish(result lua.LValue, err error) {
	if err == nil {
		p.resolve(result)
		return
	}
	var failure *vm.Error
	switch {
	case !errors.As(err, &failure):
		p.reject(lua.LString(err.Error()))
	case errors.Is(failure, vm.ErrStopped):
	default:
		if !p.claimed {
			p.trace = failure.Traceback
		}
		p.reject(failure.Value)
	}
}

// follow settles a promise as another one has been.
func (p *promise) follow(other *promise) {
	if !p.settled {
		p.trace = other.trace
	}
	p.settle(other.rejected, other.value)
}

// cancel rejects a promise that has not settled, and interrupts the call that it stands for.
func (p *promise) cancel() {
	if p.settled {
		return
	}
	p.claimed = true
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
	p.keeper.react(reactions)
	if rejected && !p.handled && value != lua.LString(cancelledText) {
		// Whoever gets the promise in this turn may still handle it.
		p.keeper.options.Next("promise "+p.place, p.complain)
	}
}

// react runs reactions, and those of the promises that they settle in turn: one after the other, not one inside of the
// other, as scripts can make chains of promises that no stack is deep enough for.
func (k *Keeper) react(reactions []*reaction) {
	for _, r := range reactions {
		k.due = append(k.due, r.run)
	}
	if k.reacting {
		return
	}
	k.reacting = true
	defer func() { k.due, k.reacting = nil, false }()
	for len(k.due) > 0 {
		run := k.due[0]
		k.due[0] = nil
		k.due = k.due[1:]
		run()
	}
}

// complain logs a rejection that nobody handles; those of one place once a second at most.
func (p *promise) complain() {
	if p.handled {
		return
	}
	line := p.keeper.rejections.Allow(p.place, p.keeper.options.Now())
	if !line.Allowed {
		return
	}
	fields := []any{
		"place", p.place, "error", logging.Clip(text(p.value), logging.MaxValue), "suppressed", line.Suppressed,
		"generation", p.keeper.options.Generation,
	}
	if p.trace != "" {
		fields = append(fields, "traceback", p.trace)
	}
	p.keeper.options.Log.Error("script: a promise was rejected and nobody handles it", fields...)
}

// text returns a reason for the log, without running any Lua.
func text(reason lua.LValue) string {
	if table, ok := reason.(*lua.LTable); ok {
		if message, ok := table.RawGetString("message").(lua.LString); ok {
			return fmt.Sprintf("(a table with message %q)", string(message))
		}
	}
	if lua.LVCanConvToString(reason) {
		return reason.String()
	}
	return fmt.Sprintf("(a %s value)", reason.Type())
}

// whenSettled runs something within the turn that settles a promise, now if it has settled. forget takes that back. A
// rejection counts as handled.
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

// then returns the promise of what a callback makes of this one. A callback that is nil hands on what there is.
func (p *promise) then(c *api.Call, place string, fulfilled, failed *lua.LFunction) *promise {
	keeper := p.keeper
	next := keeper.promise(place)
	p.whenSettled(func() {
		keeper.options.Turn(c.Name, func() {
			fn := fulfilled
			if p.rejected {
				fn = failed
			}
			if next.settled {
				return // it was cancelled
			}
			if fn == nil {
				next.claimed = true
				next.follow(p)
				return
			}
			next.finish(keeper.options.VM.Call(c, 0, fn, p.value))
		})
	})
	return next
}
