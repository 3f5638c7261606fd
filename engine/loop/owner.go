package loop

import (
	"errors"
	"fmt"

	"perigee/engine/quota"
)

// ErrTooManyWaiting is wrapped by a [WaitingError].
var ErrTooManyWaiting = errors.New("loop: too many turns are waiting")

// ErrTooManyDeferred is returned by CheckDeferred if Options.MaxDeferred turns are deferred already, or too many of one owner.
var ErrTooManyDeferred = errors.New("loop: too many turns are deferred")

// WaitingError is the error of a wait that is refused because too many turns are waiting already.
type WaitingError struct {
	// Owner is the owner that has too many; nil if all owners together have.
	Owner *quota.Owner
	// Limit is Options.MaxWaiting, or quota.Limits.MaxWaiting if Own is set.
	Limit int
	Own   bool
}

func (e *WaitingError) Error() string {
	return fmt.Sprintf("%v (limit %d)", ErrTooManyWaiting, e.Limit)
}

// Unwrap returns ErrTooManyWaiting.
func (e *WaitingError) Unwrap() error { return ErrTooManyWaiting }

// RefusedOwner reports whether an error comes from a wait that was refused because of its owner, which has limits of its own.
func RefusedOwner(err error) bool {
	e, ok := errors.AsType[*WaitingError](err)
	return ok && e.Owner.Limits() != nil
}

// Owner returns the owner of the present turn: the connection, job or timer on whose behalf it runs; nil for the server itself. What a
// turn defers belongs to its owner, and so does the turn itself after a wait.
func (l *Loop) Owner() *quota.Owner { return l.owner }

// As calls run, within the present turn, on behalf of an owner.
func (l *Loop) As(o *quota.Owner, run func()) {
	outer := l.owner
	l.owner = o
	defer func() { l.owner = outer }()
	run()
}

// CheckOwner returns a *WaitingError if the owner of the present turn has so many turns waiting that a further one is refused.
func (l *Loop) CheckOwner() error {
	if e := l.refusal(); e != nil && e.Owner != nil {
		return l.refuse(e)
	}
	return nil
}

// refusal returns why the present turn must not wait, or nil.
func (l *Loop) refusal() *WaitingError {
	o, most := l.owner, l.options.MaxWaiting
	free := most - len(l.waiting)
	if free <= 0 {
		return &WaitingError{Limit: most}
	}
	if limits := o.Limits(); limits != nil && limits.MaxWaiting > 0 && o.Held(quota.Waiting) >= limits.MaxWaiting {
		return &WaitingError{Owner: o, Limit: limits.MaxWaiting, Own: true}
	}
	if !o.MayTake(quota.Waiting, free) {
		return &WaitingError{Owner: o, Limit: most}
	}
	return nil
}

// refuse reports a refusal and returns it.
func (l *Loop) refuse(e *WaitingError) error {
	if l.options.OnRefused != nil {
		l.options.OnRefused(l.name, e)
	}
	return e
}

// CheckDeferred returns ErrTooManyDeferred if the present turn should not defer others. It is for callers whose turns may defer
// others without end; Next, Defer and After do not check.
func (l *Loop) CheckDeferred() error {
	if !l.owner.MayTake(quota.Deferred, l.options.MaxDeferred-l.deferred) {
		return ErrTooManyDeferred
	}
	return nil
}
