package hub

// notice is a message with the whole of something that changes: all topics, all subscriptions of a connection. Whoever
// changes much of it in one turn would fill the queues of its receivers, each frame longer than the one before.
//
// It goes out before the next frame that the turn sends, whoever that is for, or at the turn's end: nobody can tell that
// from each change by itself, except that there are fewer. What changes once more after that waits for the turn's end, so
// that a notice is sent twice a turn at most.
type notice struct {
	send func()
	due  bool
	sent uint64 // the turn that sent it last, as notices counts them
}

// notices are those that are due, in the order in which what they tell changed.
type notices struct {
	turn     uint64    // counts from 1
	first    []*notice // those that this turn has not sent yet
	again    []*notice
	awaiting bool // a turn will come that sends them
}

// owe makes a notice due.
func (cr *Crowd) owe(n *notice) {
	if n.due {
		return
	}
	n.due = true
	if due := &cr.notices; n.sent == due.turn {
		due.again = append(due.again, n)
	} else {
		due.first = append(due.first, n)
	}
	if !cr.notices.awaiting {
		cr.notices.awaiting = true
		cr.loop.Next("notices", func() { // for a turn that waits, or ends without settle
			cr.notices.awaiting = false
			cr.tellAll()
		})
	}
}

// tellFirst sends the notices that go before other frames of this turn.
func (cr *Crowd) tellFirst() {
	due := cr.notices.first
	cr.notices.first = nil
	cr.tell(due)
}

// tellAll sends all notices at the end of a turn.
func (cr *Crowd) tellAll() {
	cr.tellFirst()
	due := cr.notices.again
	cr.notices.again = nil
	cr.tell(due)
	cr.notices.turn++
}

func (cr *Crowd) tell(due []*notice) {
	for _, n := range due {
		n.due, n.sent = false, cr.notices.turn
		n.send()
	}
}
