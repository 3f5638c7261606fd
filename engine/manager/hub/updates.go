package hub

// update is a message with the full state of something that changes: all topics, or all subscriptions of a connection. If
// each change sent it, a turn with many changes would fill the send queues, each frame longer than the one before.
//
// It is sent before the next other frame of the turn, whoever receives that frame, or at the end of the turn. Later changes of
// the turn are sent at its end, so a turn sends an update twice at most, unless a topic has a history (see Publish). Clients see the same states in the same order as if
// each change sent one, only fewer of them.
type update struct {
	send     func()
	due      bool
	sentTurn uint64 // the turn that sent it last; see updates.turn
}

// updates are the updates that are due, in the order in which their states changed.
type updates struct {
	turn      uint64    // the number of the turn, from 1
	first     []*update // not yet sent in this turn
	again     []*update // already sent in this turn
	scheduled bool      // a turn will come that sends them
}

// schedule makes an update due.
func (h *Hub) schedule(u *update) {
	if u.due {
		return
	}
	u.due = true
	if q := &h.updates; u.sentTurn == q.turn {
		q.again = append(q.again, u)
	} else {
		q.first = append(q.first, u)
	}
	if !h.updates.scheduled {
		h.updates.scheduled = true
		h.loop.Next("updates", func() { // in case the present turn waits, or ends without Flush
			h.updates.scheduled = false
			h.flushUpdates()
		})
	}
}

// sendUpdates sends the updates that must precede other frames of this turn.
func (h *Hub) sendUpdates() {
	due := h.updates.first
	h.updates.first = nil
	h.sendAll(due)
}

// flushUpdates sends all updates at the end of a turn.
func (h *Hub) flushUpdates() {
	h.sendUpdates()
	due := h.updates.again
	h.updates.again = nil
	h.sendAll(due)
	h.updates.turn++
	for _, t := range h.topics.withNewSubscribers {
		t.newSubscribers = nil
	}
	h.topics.withNewSubscribers = nil
}

// sendNow sends an update if it is due, also if that is once more in the same turn.
func (h *Hub) sendNow(u *update) {
	if u.due {
		u.due, u.sentTurn = false, h.updates.turn
		u.send()
	}
}

func (h *Hub) sendAll(due []*update) {
	for _, u := range due {
		h.sendNow(u)
	}
}
