package console

import (
	"testing"
	"time"
)

// A session ends after half an hour without a request, after twelve hours, or when it is removed. A ticket opens one session.
func TestSessions(t *testing.T) {
	now := time.Unix(1_795_384_421, 0)
	var s sessions
	token, until := s.begin(now)
	if !until.Equal(now.Add(sessionIdle)) {
		t.Errorf("a session lasts until %s, want %s", until, now.Add(sessionIdle))
	}
	at := now
	for at.Before(now.Add(sessionTime - sessionIdle)) {
		at = at.Add(sessionIdle - time.Second)
		if open, isToken := s.use(token, at); !open || !isToken {
			t.Fatalf("use after %s = %t, %t, want an open session", at.Sub(now), open, isToken)
		}
	}
	if open, isToken := s.use(token, now.Add(sessionTime)); open || !isToken {
		t.Errorf("use after 12 hours = %t, %t, want the token of a session that has ended", open, isToken)
	}
	idle, _ := s.begin(now)
	if open, _ := s.use(idle, now.Add(sessionIdle)); open {
		t.Error("a session that nobody has used for half an hour is open, want that it has ended")
	}
	closed, _ := s.begin(now)
	s.remove(closed)
	if open, _ := s.use(closed, now); open {
		t.Error("a closed session is open")
	}
	if open, isToken := s.use("password", now); open || isToken {
		t.Error("a key is taken for a token")
	}
	ticket := s.ticket(now)
	if !s.trade(ticket, now.Add(ticketTime-1)) || s.trade(ticket, now) || s.trade(s.ticket(now), now.Add(ticketTime)) || s.trade("", now) {
		t.Error("a ticket must open one session within a minute, and nothing else must open one")
	}
}

// There are few sessions and tickets: one more ends the oldest. A changed key ends all.
func TestSessionBounds(t *testing.T) {
	now := time.Unix(1_795_384_421, 0)
	var s sessions
	first, _ := s.begin(now)
	firstTicket := s.ticket(now)
	var last, lastTicket string
	for i := range maxSessions {
		last, _ = s.begin(now.Add(time.Duration(i + 1)))
		lastTicket = s.ticket(now.Add(time.Duration(i + 1)))
	}
	if open, _ := s.use(first, now); open || len(s.open) != maxSessions {
		t.Errorf("of %d sessions the oldest is open: %t, want it ended", len(s.open), open)
	}
	if open, _ := s.use(last, now); !open {
		t.Error("the newest session is not open")
	}
	if s.trade(firstTicket, now) || len(s.tickets) != maxSessions {
		t.Errorf("of %d tickets the oldest is valid, want it ended", len(s.tickets))
	}
	s.end()
	if open, _ := s.use(last, now); open || s.trade(lastTicket, now) {
		t.Error("a session or a ticket is valid after all have ended")
	}
}
