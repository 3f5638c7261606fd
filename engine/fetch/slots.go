package fetch

import (
	"context"
	"slices"
	"sync"

	"perigee/engine/quota"
)

// slots hands out the places of Options.MaxRequests. Owners whose requests wait take turns, so that no request waits behind all
// those of another owner.
type slots struct {
	most, perConnection int // perConnection 0 means no limit

	// Guarded by mu.
	mu      sync.Mutex
	used    int
	owners  map[*quota.Owner]*waiter
	waiting []*waiter // all of owners; the first one is next
}

// waiter is an owner that waits for places.
type waiter struct {
	owner *quota.Owner
	queue []chan struct{} // closed when the request gets its place; not empty
}

func newSlots(o Options) *slots {
	return &slots{most: o.MaxRequests, perConnection: o.MaxPerConnection, owners: map[*quota.Owner]*waiter{}}
}

// acquire waits for a place for a request. The caller must call release unless there is an error, which is that of ctx; then limit is
// the one that the request waited for.
func (s *slots) acquire(ctx context.Context, r Request) (limit Limit, err error) {
	place := make(chan struct{})
	s.mu.Lock()
	w := s.owners[r.Owner]
	if w == nil {
		w = &waiter{owner: r.Owner}
		s.owners[r.Owner] = w
		s.waiting = append(s.waiting, w)
	}
	w.queue = append(w.queue, place)
	s.handOut()
	s.mu.Unlock()
	select {
	case <-place:
		return 0, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(w.queue, place)
	if i < 0 {
		return 0, nil // it got its place at the same moment
	}
	w.queue = slices.Delete(w.queue, i, i+1)
	if len(w.queue) == 0 {
		s.waiting = slices.DeleteFunc(s.waiting, func(other *waiter) bool { return other == w })
		delete(s.owners, r.Owner)
	}
	if s.isFull(r.Owner) {
		return MaxPerConnection, ctx.Err()
	}
	return MaxRequests, ctx.Err()
}

// release returns the place of a request.
func (s *slots) release(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Owner.Add(quota.Requests, -1)
	s.used--
	s.handOut()
}

// handOut gives free places to the owners that wait, one each by turns. The caller holds mu.
func (s *slots) handOut() {
	for {
		i := slices.IndexFunc(s.waiting, s.mayHold)
		if i < 0 {
			return
		}
		w := s.waiting[i]
		close(w.queue[0])
		w.queue = w.queue[1:]
		w.owner.Add(quota.Requests, 1)
		s.used++
		s.waiting = slices.Delete(s.waiting, i, i+1)
		if len(w.queue) > 0 {
			s.waiting = append(s.waiting, w)
		} else {
			delete(s.owners, w.owner)
		}
	}
}

// mayHold reports whether an owner that waits may hold one more place. The caller holds mu.
func (s *slots) mayHold(w *waiter) bool {
	return w.owner.MayTake(quota.Requests, s.most-s.used) && !s.isFull(w.owner)
}

// isFull reports whether an owner holds as many places as one connection may.
func (s *slots) isFull(o *quota.Owner) bool {
	return o.Limits() != nil && s.perConnection > 0 && o.Held(quota.Requests) >= s.perConnection
}
