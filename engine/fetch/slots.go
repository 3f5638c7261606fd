package fetch

import (
	"context"
	"slices"
	"sync"
)

// slots hands out the places of Options.MaxRequests. Owners whose requests wait take turns, so that no request waits behind all
// those of another owner. An owner holds no more places than it leaves free for others.
type slots struct {
	most, perConnection int // perConnection 0 means no limit

	// Guarded by mu.
	mu      sync.Mutex
	used    int
	owners  map[any]*slotOwner // those that hold or wait for places
	waiting []*slotOwner       // those that wait for places; the first one is next
}

// slotOwner is an owner that holds places or waits for them.
type slotOwner struct {
	limited bool // by perConnection
	held    int
	queue   []chan struct{} // closed when the request gets its place
}

func newSlots(o Options) *slots {
	return &slots{most: o.MaxRequests, perConnection: o.MaxPerConnection, owners: map[any]*slotOwner{}}
}

// acquire waits for a place for a request. The caller must call release unless there is an error, which is that of ctx; then limit is
// the one that the request waited for.
func (s *slots) acquire(ctx context.Context, r Request) (limit Limit, err error) {
	place := make(chan struct{})
	s.mu.Lock()
	o := s.owners[r.Owner]
	if o == nil {
		o = &slotOwner{limited: r.Connection}
		s.owners[r.Owner] = o
	}
	if len(o.queue) == 0 {
		s.waiting = append(s.waiting, o)
	}
	o.queue = append(o.queue, place)
	s.handOut()
	s.mu.Unlock()
	select {
	case <-place:
		return 0, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(o.queue, place)
	if i < 0 {
		return 0, nil // it got its place at the same moment
	}
	o.queue = slices.Delete(o.queue, i, i+1)
	if len(o.queue) == 0 {
		s.waiting = slices.DeleteFunc(s.waiting, func(other *slotOwner) bool { return other == o })
	}
	s.forget(r.Owner, o)
	if s.isFull(o) {
		return MaxPerConnection, ctx.Err()
	}
	return MaxRequests, ctx.Err()
}

// release returns the place of a request.
func (s *slots) release(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[r.Owner]
	o.held--
	s.used--
	s.forget(r.Owner, o)
	s.handOut()
}

// forget forgets an owner that neither holds nor waits for a place. The caller holds mu.
func (s *slots) forget(owner any, o *slotOwner) {
	if o.held == 0 && len(o.queue) == 0 {
		delete(s.owners, owner)
	}
}

// handOut gives free places to the owners that wait, one each by turns. The caller holds mu.
func (s *slots) handOut() {
	for {
		i := slices.IndexFunc(s.waiting, s.mayHold)
		if i < 0 {
			return
		}
		o := s.waiting[i]
		close(o.queue[0])
		o.queue = o.queue[1:]
		o.held++
		s.used++
		s.waiting = slices.Delete(s.waiting, i, i+1)
		if len(o.queue) > 0 {
			s.waiting = append(s.waiting, o)
		}
	}
}

// mayHold reports whether an owner may hold one more place. The caller holds mu.
func (s *slots) mayHold(o *slotOwner) bool {
	free := s.most - s.used
	return free > 0 && o.held <= free && !s.isFull(o)
}

// isFull reports whether an owner holds as many places as one connection may. The caller holds mu.
func (s *slots) isFull(o *slotOwner) bool {
	return o.limited && s.perConnection > 0 && o.held >= s.perConnection
}
