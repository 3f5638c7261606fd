// Package updates sends the full state of things that change, but not once for each change. It must not know what they are.
//
// Everything in it belongs to the loop.
package updates

import "perigee/engine/loop"

// Update is a message with the full state of something that changes: all topics, or all subscriptions of a connection. If
// each change sent it, a turn with many changes would fill the send queues, each frame longer than the one before.
//
// It is sent before the next other frame of the turn, whoever receives that frame, or at the end of the turn. Later changes of
// the turn are sent at its end, so a turn sends an update twice at most, unless Queue.SendNow is called. Clients see the same states
// in the same order as if each change sent one, only fewer of them.
type Update struct {
	// Send sends it. It is set before the first call of Queue.Schedule.
	Send     func()
	due      bool
	sentTurn uint64 // the turn that sent it last; see Queue.turn
}

// Due reports whether the update will be sent.
func (u *Update) Due() bool { return u.due }

// Queue has the updates that are due, in the order in which their states changed.
type Queue struct {
	loop      *loop.Loop
	flush     func()
	turn      uint64    // the number of the turn, from 1
	first     []*Update // not yet sent in this turn
	again     []*Update // already sent in this turn
	scheduled bool      // a turn will come that sends them
}

// New returns an empty queue. flush ends a turn: it must call Flush. The queue calls it in a turn of its own, in case the turn that
// schedules an update waits, or ends without.
func New(l *loop.Loop, flush func()) *Queue { return &Queue{loop: l, flush: flush, turn: 1} }

// Schedule makes an update due.
func (q *Queue) Schedule(u *Update) {
	if u.due {
		return
	}
	u.due = true
	if u.sentTurn == q.turn {
		q.again = append(q.again, u)
	} else {
		q.first = append(q.first, u)
	}
	if !q.scheduled {
		q.scheduled = true
		q.loop.Next("updates", func() {
			q.scheduled = false
			q.flush()
		})
	}
}

// SendFirst sends the updates that must precede other frames of this turn.
func (q *Queue) SendFirst() {
	due := q.first
	q.first = nil
	q.send(due)
}

// Flush sends all updates at the end of a turn.
func (q *Queue) Flush() {
	q.SendFirst()
	due := q.again
	q.again = nil
	q.send(due)
	q.turn++
}

// SendNow sends an update if it is due, also if that is once more in the same turn.
func (q *Queue) SendNow(u *Update) {
	if u.due {
		u.due, u.sentTurn = false, q.turn
		u.Send()
	}
}

func (q *Queue) send(due []*Update) {
	for _, u := range due {
		q.SendNow(u)
	}
}
