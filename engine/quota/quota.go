// Package quota counts the places that owners hold, such as waiting turns and HTTP requests, so that no owner takes the places of
// all others. It does not know what the places are for, nor how many there are.
package quota

import (
	"sync"
	"sync/atomic"
)

// Kind is a kind of places.
type Kind int

// The kinds of places.
const (
	Waiting   Kind = iota // turns that wait
	Deferred              // turns that are deferred
	Requests              // HTTP requests of scripts under way
	Processes             // processes of scripts
	kinds
)

// Owner is the connection, job or timer on whose behalf something runs. Its methods are safe for concurrent use. A nil owner is the
// server itself: nothing is counted for it, and it may take any place that is free.
type Owner struct {
	// Set before the owner holds a place, never changed.
	limits  *Limits   // optional
	follows *Leftover // optional

	// Guarded by mu.
	mu   sync.Mutex
	held [kinds]int
	left *Leftover // once the owner has left; places are counted there, too
}

// Limits are further limits of an owner. Several owners can share them. They belong to the loop.
type Limits struct {
	// MaxWaiting is how many turns of one owner may wait at once; 0 means no limit.
	MaxWaiting int
}

// Leftover counts the places that owners hold after they have left, such as the closed connections of one address. Owners that
// follow count them as their own when places are shared, so that nobody gets more places by closing and coming again.
type Leftover struct{ held [kinds]atomic.Int64 }

// IsEmpty reports whether none of these places is held any more.
func (l *Leftover) IsEmpty() bool {
	for k := range l.held {
		if l.held[k].Load() != 0 {
			return false
		}
	}
	return true
}

// NewOwner returns an owner. limits is optional.
func NewOwner(limits *Limits) *Owner { return &Owner{limits: limits} }

// Limits returns the further limits of an owner; nil if it has none.
func (o *Owner) Limits() *Limits {
	if o == nil {
		return nil
	}
	return o.limits
}

// Follow has an owner count what others have left behind. It must be called before the owner holds a place.
func (o *Owner) Follow(l *Leftover) { o.follows = l }

// Leave adds the places of an owner, and those that it takes later, to what others have left behind. It must be called only once.
func (o *Owner) Leave(l *Leftover) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left = l
	for k, n := range o.held {
		l.held[k].Add(int64(n))
	}
}

// Add changes the number of places that an owner holds.
func (o *Owner) Add(k Kind, n int) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held[k] += n
	if o.left != nil {
		o.left.held[k].Add(int64(n))
	}
}

// Held returns the number of places that an owner holds.
func (o *Owner) Held(k Kind) int {
	if o == nil {
		return 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held[k]
}

// MayTake reports whether an owner may take one of the free places: it holds no more than it leaves for others, together with those
// that the owners which it follows hold.
func (o *Owner) MayTake(k Kind, free int) bool { return free > 0 && o.share(k) <= free }

// share returns how many places count when an owner shares them with others.
func (o *Owner) share(k Kind) int {
	if o == nil {
		return 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.follows == nil {
		return o.held[k]
	}
	n := int(o.follows.held[k].Load())
	if o.follows != o.left {
		n += o.held[k]
	}
	return n
}
