package outbox

import (
	"slices"

	"perigee/engine/wire"
)

// A connection that can be resumed has a memory. When its socket fails or is closed, but neither side has ended the connection on
// purpose, the connection is away: leave moves what is queued to the memory, and everything that is sent later goes there too.
// Resume hands the memory and the topics to the sender of a new socket. The connection is over when it is resumed, when Forget is
// called, or when its socket ends in any other way.

// HelloFunc returns the first frame on a new socket, which is not numbered. complete is whether the client then gets all that it
// has missed; sent is the number of the last frame before those that follow.
type HelloFunc func(complete bool, sent uint64) *Frame

// transfer is what a sender hands to the one that resumes its connection.
type transfer struct {
	memory memory // its absence is still used by the shard of the previous sender
	latest uint64 // of that absence
	topics []TopicID
}

// Resume makes a sender, which was joined as resumable and has sent nothing, continue the connection of another one. If the socket of
// that one is still open, it is closed with 4409. received is how many frames the client has received; -1 if it remembers nothing.
// The client gets the frame that hello returns, then everything that it has missed, unless some of that is not kept, and then what
// is sent after this call. done is called after hello. Both are called by the goroutine of a shard and must not block.
func (s *Sender) Resume(from *Sender, received int64, hello HelloFunc, done func(complete bool)) {
	// The two may belong to different shards. That of s holds back what concerns s until the transfer is there.
	s.shard.post(op{kind: opCall, call: func(sh *shard) { sh.hold(s) }})
	posted := from.shard.post(op{kind: opCall, sender: from, call: func(sh *shard) {
		t := sh.handOver(from)
		s.shard.post(op{kind: opCall, call: func(sh *shard) { done(sh.resume(s, t, received, hello)) }})
	}})
	if !posted { // the outbox has ended
		done(false)
	}
}

// Restore makes a sender that is away from the beginning, after its client was sent a number of frames, of which the last ones are
// kept. It is called in place of [Outbox.Join].
func (o *Outbox) Restore(s *Sender, t Transport, sent uint64, kept [][]byte) {
	o.assign(s, t)
	s.memory = &memory{sent: sent - uint64(len(kept))}
	for _, text := range kept {
		s.memory.add(NewFrame(text))
	}
	s.setAway()
	s.memory.trim(o.resume.Load())
	s.state = stateRemoved
	s.shard.post(op{kind: opCall, sender: s, call: func(sh *shard) {
		sh.away[s] = struct{}{}
		sh.accountKept(s)
	}})
}

// Forget makes a connection that is away one that is over: nothing is kept for it any more. A connection that is not away cannot be
// resumed any more.
func (s *Sender) Forget() {
	s.shard.post(op{kind: opCall, sender: s, call: func(sh *shard) {
		if s.memory != nil {
			s.memory.over = true
			if s.away {
				sh.forget(s)
			}
		}
	}})
}

// Sent returns the number of the last text frame that was sent to the client, or kept for it; 0 if the connection cannot be
// resumed. It waits for the shard, until everything that was sent before has been numbered or queued.
func (s *Sender) Sent() (number uint64) {
	s.inspect(func(m *memory) { number = m.sent })
	return number
}

// Kept returns the texts of the last frames that Sent counts: those that are kept because the client may not have received them. It
// waits as Sent does. They must not be changed.
func (s *Sender) Kept() (texts [][]byte) {
	s.inspect(func(m *memory) {
		for _, f := range m.kept[m.first:] {
			texts = append(texts, f.Payload())
		}
	})
	return texts
}

// inspect calls look with the memory of a connection that can be resumed, and waits until it has returned.
func (s *Sender) inspect(look func(m *memory)) {
	if s.memory == nil {
		return
	}
	done := make(chan struct{})
	if s.shard.post(op{kind: opCall, sender: s, call: func(*shard) { look(s.memory); close(done) }}) {
		select {
		case <-done:
			return
		case <-s.shard.stopped:
		}
	}
	<-s.shard.stopped
	select {
	case <-done: // in the last batch
	default:
		look(s.memory)
	}
}

// canComeBack reports whether the client of a connection that ends may come back to it.
func (s *Sender) canComeBack() bool {
	r := s.closeRequest.Load()
	return s.memory != nil && !s.memory.over && (r == nil || r.Resumable)
}

// accepts reports whether a sender can be subscribed to topics.
func (s *Sender) accepts() bool { return s.state == stateOpen || s.away && !s.memory.over }

// number numbers a frame whose writing begins, or that is kept for a client that is away.
func (s *Sender) number(e *entry) {
	e.unnumbered = false
	s.memory.add(e.frame.plain())
}

// trimKept applies the limits to what is kept of a connection whose frames were numbered.
func (sh *shard) trimKept(s *Sender) {
	limits := sh.out.resume.Load()
	s.memory.trim(limits)
	s.asks = s.memory.shouldAsk(limits)
}

// keep keeps a frame for a client that is away. Control frames are of no use to it.
func (sh *shard) keep(s *Sender, f *Frame, add func(m *memory, f *Frame)) {
	if f.isText() {
		add(s.memory, f)
		s.memory.trim(sh.out.resume.Load())
		sh.accountKept(s)
	}
}

// setAway has all frames that are sent from now on kept in the memory. It is idempotent.
func (s *Sender) setAway() {
	if !s.away {
		s.away, s.memory.absence = true, &absence{written: s.memory.sent}
	}
}

// leave makes a connection one that is away. What is queued is still written if the socket accepts it, but the client may have to
// get it again.
func (sh *shard) leave(s *Sender) {
	if s.away {
		return
	}
	for i := range s.queue[s.head:] {
		if e := &s.queue[s.head+i]; e.unnumbered {
			s.number(e)
		}
	}
	sh.trimKept(s)
	s.setAway()
	sh.away[s] = struct{}{}
	sh.accountKept(s)
}

// forget ends a connection for good, whether it can be resumed or not. A client that comes back too late still gets the topics.
func (sh *shard) forget(s *Sender) {
	for _, t := range s.topics {
		sh.removeSubscriber(s, t)
	}
	m := s.memory
	if m == nil {
		s.topics = nil
		return
	}
	s.setAway()
	m.over = true
	m.lose()
	sh.accountKept(s)
	delete(sh.away, s)
	if m.held {
		m.held = false
		s.transport.Over()
	}
}

// accountKept adds what is kept for a client that is away to the total of the shard.
func (sh *shard) accountKept(s *Sender) {
	m := s.memory
	if m.absence != nil {
		size := m.size()
		sh.kept.delta += size - m.absence.accounted
		m.absence.accounted = size
	}
}

// longestKept returns the sender that is away and for which most memory is used, and how many bytes that is.
func (sh *shard) longestKept() (longest *Sender, bytes int) {
	for s := range sh.away {
		if size := s.memory.size(); size > bytes {
			longest, bytes = s, size
		}
	}
	return longest, bytes
}

// handOver ends a connection whose client has come back on another socket, and returns what moves there. If the old socket is still
// open, it is closed, after the rest of a frame that is half written.
func (sh *shard) handOver(from *Sender) transfer {
	if from.canComeBack() {
		sh.leave(from)
	} else {
		from.setAway()
		from.memory.lose()
	}
	open := from.state == stateOpen
	if open {
		from.closeRequest.CompareAndSwap(nil, &CloseRequest{Why: wire.CloseTakenOver()})
	}
	t := transfer{memory: *from.memory, latest: from.memory.absence.latest, topics: slices.Clone(from.topics)}
	sh.forget(from)
	if open {
		sh.dropUnwritten(from)
		sh.close(from)
	}
	return t
}

// hold defers all operations on a sender. Until release it has no topics, so that nothing that is published reaches it in between.
func (sh *shard) hold(s *Sender) {
	for _, t := range s.topics {
		sh.removeSubscriber(s, t)
	}
	s.waiting = true
	sh.waiting[s] = nil
}

// deferred defers an operation on a sender whose transfer has not come, and reports whether it has done so. A message that is published
// is deferred for all such senders, and must be sent to the others all the same.
func (sh *shard) deferred(o *op) bool {
	if o.kind == opPublish {
		for s := range sh.waiting {
			sh.waiting[s] = append(sh.waiting[s], *o)
		}
		return false
	}
	if o.sender == nil || !o.sender.waiting {
		return false
	}
	sh.waiting[o.sender] = append(sh.waiting[o.sender], *o)
	return true
}

// resume has a sender go on with what another one has handed over, and then carries out what was deferred. It reports whether the
// client misses nothing. If the new socket has ended already, the connection is away again.
func (sh *shard) resume(s *Sender, t transfer, received int64, hello HelloFunc) (complete bool) {
	m := s.memory
	missed, complete := t.memory.after(received)
	m.sent = t.memory.sent - uint64(len(missed))
	switch {
	case s.away:
		m.absence.written, m.absence.latest = t.memory.sent, t.latest
		for _, f := range missed {
			sh.keep(s, f, (*memory).add)
		}
	case s.state == stateOpen:
		sh.append(s, entry{frame: sh.encode(s, hello(complete, m.sent))})
		for i, f := range missed {
			sh.append(s, entry{frame: sh.encode(s, f), unnumbered: true})
			if m.sent+1+uint64(i) == t.latest {
				s.latest = len(s.queue) - 1
			}
		}
	}
	topics := append(t.topics, s.topics...)
	s.topics = nil
	for _, topic := range topics {
		sh.subscribe(s, topic)
	}
	sh.release(s)
	return complete
}

// release carries out what was deferred for a sender.
func (sh *shard) release(s *Sender) {
	ops := sh.waiting[s]
	delete(sh.waiting, s)
	s.waiting = false
	for i := range ops {
		switch o := &ops[i]; {
		case o.kind != opPublish:
			sh.apply(o)
		case slices.Contains(s.topics, o.topic):
			sh.push(s, o.frame)
		}
	}
}
