package outbox

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"perigee/engine/wire"
)

// CloseTimeout is how long a client has to answer the server's close frame.
const CloseTimeout = time.Second

// slowTimeout is how long a client has that is closed because it reads too slowly, to read up to the close frame and to answer. If
// it reads nothing for limits.write_timeout, it is aborted before.
const slowTimeout = 30 * time.Second

// CloseAll closes closeBatch connections at a time, with a random pause of up to closePause between: otherwise all clients
// would come back at the same moment.
const (
	closeBatch = 128
	closePause = 20 * time.Millisecond
)

// Drain waits until no send queue waits for its client, at most until the timeout or the end of ctx.
func (o *Outbox) Drain(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, sh := range o.shards {
		done := make(chan struct{})
		if !sh.callAndWait(ctx, func() { sh.drained = append(sh.drained, done) }) {
			return
		}
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// LeastActive returns the senders that are open, those from whose clients the fewest messages have come first, as far as they are
// known when ctx ends.
func (o *Outbox) LeastActive(ctx context.Context) []*Sender {
	type ranked struct {
		sender   *Sender
		received uint64
	}
	var all []ranked
	for _, sh := range o.shards {
		found := make(chan []ranked, 1) // the shard sends once; never closed
		sh.post(op{kind: opCall, call: func(sh *shard) {
			var open []ranked
			for _, s := range sh.senders {
				if s.state == stateOpen {
					open = append(open, ranked{s, s.transport.Received()})
				}
			}
			found <- open
		}})
		select {
		case open := <-found:
			all = append(all, open...)
		case <-ctx.Done():
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(a.received, b.received) })
	senders := make([]*Sender, len(all))
	for i, r := range all {
		senders[i] = r.sender
	}
	return senders
}

// CloseAll closes all connections, some at a time, each after what was sent to it before. It returns when all close frames
// are queued, or ctx ends.
func (o *Outbox) CloseAll(ctx context.Context, why wire.Close) {
	for _, sh := range o.shards {
		for {
			var more bool
			if !sh.callAndWait(ctx, func() { more = sh.closeSome(why) }) {
				return
			}
			if !more {
				break
			}
			select {
			case <-time.After(rand.N(closePause)):
			case <-ctx.Done():
				return
			}
		}
	}
}

// AbortAll closes all connections now and returns how many there were, as far as that is known when ctx ends. Queued frames are
// dropped. A close frame is written if none was written before and the socket accepts it at once; its reason is why, unless
// [Sender.Close] gave one before.
func (o *Outbox) AbortAll(ctx context.Context, why wire.Close) (n int) {
	aborted := make(chan int, len(o.shards)) // each shard sends once; never closed
	asked := 0
	for _, sh := range o.shards {
		if sh.post(op{kind: opCall, call: func(sh *shard) { aborted <- sh.abortAll(why) }}) {
			asked++
		}
	}
	for range asked {
		select {
		case some := <-aborted:
			n += some
		case <-ctx.Done():
			return n
		}
	}
	return n
}

// close queues the close frame behind everything else.
func (sh *shard) close(s *Sender) {
	if s.state != stateOpen {
		if s.away && !s.canComeBack() {
			sh.forget(s) // its socket has failed before
		}
		return
	}
	if s.canComeBack() {
		sh.leave(s)
	}
	s.state = stateClosing
	s.deadline = sh.out.now() + sh.out.limits.Load().WriteTimeout.Std() + CloseTimeout
	sh.append(s, entry{frame: NewClose(s.closeRequest.Load().Why)})
}

// closeSome closes up to closeBatch open connections, and reports whether there may be more.
func (sh *shard) closeSome(why wire.Close) (more bool) {
	n := 0
	for _, s := range sh.senders {
		if s.state != stateOpen {
			continue
		}
		if n == closeBatch {
			return true
		}
		n++
		s.setFailed(why)
		sh.close(s)
	}
	return false
}

// closeSent is called after the close frame was written. A server that has answered the client's close closes the socket
// at once (RFC 6455, 7.1.1); one that began gives the client time to answer.
func (sh *shard) closeSent(s *Sender) {
	request := s.closeRequest.Load()
	if request.Reply || s.readerDone {
		sh.remove(s)
		return
	}
	s.state = stateCloseSent
	now, timeout := sh.out.now(), CloseTimeout
	if s.slow {
		timeout = max(timeout, s.deadline-now)
	}
	s.deadline = now + timeout
	s.transport.CloseSent(request.OutOfSync, timeout)
}

// readerDone writes what the socket accepts at once, and removes the sender. If the client began to close, the rest of its
// queue is still written, within the deadline that every close has.
func (sh *shard) readerDone(s *Sender, keep bool) {
	s.readerDone = true
	if m := s.memory; m != nil {
		switch {
		case !keep:
			m.over = true
			if s.away {
				sh.forget(s)
			}
		case m.over:
			s.transport.Over()
		default:
			m.held = true
		}
	}
	sh.flush(s)
	if s.state == stateClosing && s.closeRequest.Load().Reply {
		return
	}
	sh.remove(s)
}

// abort closes a connection now, with why unless another reason was given before. A close frame is written if none was written
// before, the socket accepts it and no other frame is half written. All other queued frames are dropped.
func (sh *shard) abort(s *Sender, why wire.Close) {
	if s.state == stateRemoved {
		return
	}
	s.setFailed(why)
	if s.state != stateCloseSent && !s.hasWriter && s.offset == 0 {
		_, _ = sh.tryWrite(s, NewClose(s.closeRequest.Load().Why).bytes) // best effort
	}
	sh.remove(s)
}

// abortAll aborts every connection and returns how many there were.
func (sh *shard) abortAll(why wire.Close) int {
	n := len(sh.senders)
	for len(sh.senders) > 0 {
		sh.abort(sh.senders[0], why)
	}
	return n
}

// tick checks the deadlines of all senders and calls their transports.
func (sh *shard) tick(now time.Duration) {
	// Backwards, since removing a sender moves the last one into its place.
	for _, s := range slices.Backward(sh.senders) {
		if s.state != stateOpen {
			if now >= s.deadline {
				sh.remove(s)
			}
			continue
		}
		switch ping, dead := s.transport.Tick(now, s.total == 0); {
		case dead != nil:
			sh.abort(s, *dead)
		case ping:
			sh.append(s, entry{frame: s.ping()})
		}
	}
}
