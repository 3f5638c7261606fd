package outbox

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"perigee/engine/wire"
)

// LingerTime is how long a client has to answer the server's close frame.
const LingerTime = time.Second

const (
	// closedAtOnce lines are closed together, then there is a random pause of up to closePause: their clients would
	// otherwise all come back at once.
	closedAtOnce = 128
	closePause   = 20 * time.Millisecond
)

// Drain waits until no queue waits for its client, at most for as long as patience and ctx last.
func (o *Outbox) Drain(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, s := range o.shards {
		done := make(chan struct{})
		if !s.ask(ctx, func() { s.drained = append(s.drained, done) }) {
			return
		}
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// CloseAll closes all lines, some at a time, each after what was sent on it before. It returns when all close frames are
// queued, or ctx ends.
func (o *Outbox) CloseAll(ctx context.Context, why wire.Close) {
	for _, s := range o.shards {
		for more := true; more; {
			var some bool
			if !s.ask(ctx, func() { some = s.closeSome(why) }) {
				return
			}
			if more = some; !more {
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

// Cut ends all lines now and returns how many there were, as far as that is known when ctx ends. A client is told why,
// unless it has been, where its socket takes that at once; the end that [Line.Finish] gave it holds.
func (o *Outbox) Cut(ctx context.Context, why wire.Close) (n int) {
	cut := make(chan int, len(o.shards)) // each shard sends once; never closed
	asked := 0
	for _, s := range o.shards {
		if s.post(order{do: call, call: func(s *shard) { cut <- s.cutAll(why) }}) {
			asked++
		}
	}
	for range asked {
		select {
		case some := <-cut:
			n += some
		case <-ctx.Done():
			return n
		}
	}
	return n
}

// close puts the close frame behind everything that is queued.
func (s *shard) close(l *Line) {
	if l.state != open {
		return
	}
	l.state = closing
	l.due = s.out.now() + s.out.limits.Load().WriteTimeout.Std() + LingerTime
	s.append(l, entry{NewClose(l.end.Load().Why), false})
}

// closeSome closes some of the lines that are open, and tells whether there may be more.
func (s *shard) closeSome(why wire.Close) (more bool) {
	n := 0
	for _, l := range s.lines {
		if l.state != open {
			continue
		}
		if n == closedAtOnce {
			return true
		}
		n++
		l.end.CompareAndSwap(nil, &Ending{Why: why})
		s.close(l)
	}
	return false
}

// closeSent goes on after the close frame has been written: the server that has answered closes the socket at once (RFC
// 6455, 7.1.1); one that began gives the client time to answer.
func (s *shard) closeSent(l *Line) {
	end := l.end.Load()
	if end.Echo || l.left {
		s.remove(l)
		return
	}
	l.state = closed
	l.due = s.out.now() + LingerTime
	l.to.Linger(end.Lost)
}

// leave is told that nothing will be read any more. What is queued still gets a chance; where the client has closed in
// order, it gets the time that every close has.
func (s *shard) leave(l *Line) {
	l.left = true
	s.flush(l)
	if l.state == closing && l.end.Load().Echo {
		return
	}
	s.remove(l)
}

// cut ends a line now, with why unless that is settled. Its close frame is written if that has not been done, the socket
// takes it and no frame is half written; what else is queued is not.
func (s *shard) cut(l *Line, why wire.Close) {
	if l.state == gone {
		return
	}
	l.end.CompareAndSwap(nil, &Ending{Why: why})
	if l.state != closed && !l.lent && l.offset == 0 {
		_, _ = s.attempt(l, NewClose(l.end.Load().Why).bytes) // at best
	}
	s.remove(l)
}

// cutAll cuts every line and returns how many there were.
func (s *shard) cutAll(why wire.Close) int {
	n := len(s.lines)
	for len(s.lines) > 0 {
		s.cut(s.lines[0], why)
	}
	return n
}

// tick looks after the times of all lines.
func (s *shard) tick(now time.Duration) {
	// Backwards, since a line that is cut has the last one take its slot.
	for _, l := range slices.Backward(s.lines) {
		if l.state != open {
			if now >= l.due {
				s.remove(l)
			}
			continue
		}
		switch ping, dead := l.to.Look(now, l.total == 0); {
		case dead != nil:
			s.cut(l, *dead)
		case ping:
			s.append(l, entry{newFrame(PingFrame, nil), false})
		}
	}
}
