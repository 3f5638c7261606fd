package loop

import (
	"errors"
	"fmt"
)

// ErrTooManyWaiting is wrapped by a [WaitingError].
var ErrTooManyWaiting = errors.New("loop: too many turns are waiting")

// ErrTooManyDeferred is returned by CheckDeferred if Options.MaxDeferred turns are deferred already, or too many of one owner.
var ErrTooManyDeferred = errors.New("loop: too many turns are deferred")

// Owner is the connection, job or timer on whose behalf a turn runs. What a turn defers belongs to the owner of the turn, and so
// does the turn itself after a wait. An owner has no more turns waiting, or deferred, than it leaves room for those of others, so
// that one owner never takes all places. Turns without an owner are the server's own. Owners belong to the loop.
type Owner struct {
	limits            *OwnerLimits
	waiting, deferred int       // turns
	follows           *Leftover // optional
	left              *Leftover // once it has left; waiting is counted there, too
}

// Leftover counts the waiting turns that owners have left behind, such as the closed connections of one address. Owners that follow
// count them as their own when places are shared, so that nobody gets more places by closing and coming again.
type Leftover struct{ waiting int }

// IsEmpty reports whether none of these turns waits any more.
func (l *Leftover) IsEmpty() bool { return l.waiting == 0 }

// OwnerLimits are further limits of an owner. Several owners can share them.
type OwnerLimits struct {
	// MaxWaiting is how many turns of one owner may wait at once; 0 means no limit.
	MaxWaiting int
}

// NewOwner returns an owner. limits is optional.
func NewOwner(limits *OwnerLimits) *Owner { return &Owner{limits: limits} }

// Follow has an owner count what others have left behind.
func (o *Owner) Follow(l *Leftover) { o.follows = l }

// Leave adds what an owner has waiting to what others have left behind. It must be called only once.
func (o *Owner) Leave(l *Leftover) {
	o.left = l
	l.waiting += o.waiting
}

// share returns how many waiting turns count when an owner shares the places with others.
func (o *Owner) share() int {
	switch o.follows {
	case nil:
		return o.waiting
	case o.left:
		return o.follows.waiting
	}
	return o.waiting + o.follows.waiting
}

// Limited reports whether an owner has limits of its own.
func (o *Owner) Limited() bool { return o != nil && o.limits != nil }

// WaitingError is the error of a wait that is refused because too many turns are waiting already.
type WaitingError struct {
	// Owner is the owner that has too many; nil if all owners together have.
	Owner *Owner
	// Limit is Options.MaxWaiting, or OwnerLimits.MaxWaiting if Own is set.
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
	return ok && e.Owner.Limited()
}

// Owner returns the owner of the present turn; nil for the server itself.
func (l *Loop) Owner() *Owner { return l.owner }

// As calls run, within the present turn, on behalf of an owner.
func (l *Loop) As(o *Owner, run func()) {
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
	switch {
	case free <= 0:
		return &WaitingError{Limit: most}
	case o == nil:
	case o.limits != nil && o.limits.MaxWaiting > 0 && o.waiting >= o.limits.MaxWaiting:
		return &WaitingError{Owner: o, Limit: o.limits.MaxWaiting, Own: true}
	case o.share() > free:
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
	free := l.options.MaxDeferred - l.deferred
	if free <= 0 || l.owner != nil && l.owner.deferred > free {
		return ErrTooManyDeferred
	}
	return nil
}

// addWaiting and addDeferred change the counts of an owner, unless it is nil.

func (o *Owner) addWaiting(n int) {
	if o == nil {
		return
	}
	o.waiting += n
	if o.left != nil {
		o.left.waiting += n
	}
}

func (o *Owner) addDeferred(n int) {
	if o != nil {
		o.deferred += n
	}
}
