package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"perigee/engine/auth"
	"perigee/engine/web"
	"perigee/engine/wire"
)

// Bounds of sessions.
const (
	sessionIdle = 30 * time.Minute // without a request
	sessionTime = 12 * time.Hour
	ticketTime  = time.Minute
	maxSessions = 32 // at once, and as many tickets: one more ends the one that ends first
)

// tokenPrefix begins the tokens of sessions, so that an expired one does not count as a wrong key.
const tokenPrefix = "perigee-session-"

// sessions are open sessions, and tickets that open one each. They keep only hashes of the tokens. The zero value has none.
type sessions struct {
	mu sync.Mutex
	// Guarded by mu.
	open    map[hash]session
	tickets map[hash]time.Time // when they end
}

type hash [sha256.Size]byte

type session struct{ ends, idle time.Time }

// until returns when the session ends, unless a request comes before.
func (s session) until() time.Time {
	if s.idle.Before(s.ends) {
		return s.idle
	}
	return s.ends
}

// begin opens a session and returns its token.
func (s *sessions) begin(now time.Time) (token string, until time.Time) {
	token = tokenPrefix + rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[hash]session{}
	}
	opened := session{ends: now.Add(sessionTime), idle: now.Add(sessionIdle)}
	add(s.open, sha256.Sum256([]byte(token)), opened, now, session.until)
	return token, opened.until()
}

// add adds an entry to a map of at most maxSessions. It removes those that have ended, and if that is not enough the one that ends first.
func add[V any](all map[hash]V, key hash, v V, now time.Time, until func(V) time.Time) {
	maps.DeleteFunc(all, func(_ hash, v V) bool { return !until(v).After(now) })
	for len(all) >= maxSessions {
		var first hash
		for key, v := range all {
			if other, found := all[first]; !found || until(v).Before(until(other)) {
				first = key
			}
		}
		delete(all, first)
	}
	all[key] = v
}

// use reports whether a token is that of an open session, which it keeps open, and whether it has the form of such a token.
func (s *sessions) use(token string, now time.Time) (open, isToken bool) {
	if !strings.HasPrefix(token, tokenPrefix) {
		return false, false
	}
	key := hash(sha256.Sum256([]byte(token)))
	s.mu.Lock()
	defer s.mu.Unlock()
	found, open := s.open[key]
	if !open || !found.until().After(now) {
		delete(s.open, key)
		return false, true
	}
	found.idle = now.Add(sessionIdle)
	s.open[key] = found
	return true, true
}

// remove ends a session.
func (s *sessions) remove(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(token)))
}

// end ends all sessions and tickets.
func (s *sessions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.open)
	clear(s.tickets)
}

// ticket returns a new ticket.
func (s *sessions) ticket(now time.Time) string {
	ticket := rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tickets == nil {
		s.tickets = map[hash]time.Time{}
	}
	add(s.tickets, sha256.Sum256([]byte(ticket)), now.Add(ticketTime), now, func(ends time.Time) time.Time { return ends })
	return ticket
}

// trade reports whether a ticket is valid. It is not, after that.
func (s *sessions) trade(ticket string, now time.Time) bool {
	key := hash(sha256.Sum256([]byte(ticket)))
	s.mu.Lock()
	defer s.mu.Unlock()
	ends, found := s.tickets[key]
	delete(s.tickets, key)
	return found && ends.After(now)
}

// Ticket returns a ticket with which a page can open one session, within a minute.
func (c *Console) Ticket() string { return c.sessions.ticket(time.Now()) }

// Session is the answer to POST session.
type Session struct {
	Token string    `json:"token"`
	Until time.Time `json:"until"` // unless a request comes before; a session ends after 12 hours at the latest
}

// openSession opens a session for a key or a ticket.
func (c *Console) openSession(w http.ResponseWriter, r *http.Request) {
	peer, ok := c.options.Auth.CheckRequest(w, r)
	if !ok {
		return
	}
	var given struct {
		Key    string `json:"key"`
		Ticket string `json:"ticket"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&given); err != nil {
		web.WriteException(w, wire.InvalidArguments(`the body must be {"key": ...} or {"ticket": ...}`))
		return
	}
	now := time.Now()
	switch {
	case given.Ticket != "" && c.sessions.trade(given.Ticket, now):
	case given.Ticket != "":
		web.RefuseLate(w, r)
		return
	case !c.options.Auth.Authenticate(w, r, peer, given.Key, auth.Grant.Admin):
		return
	}
	token, until := c.sessions.begin(now)
	c.audit(withOperator(r.Context(), peer.Addr.String()), "sign in")
	write(w, Session{token, until})
}

// closeSession ends the session whose token the request has.
func (c *Console) closeSession(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.options.Auth.CheckRequest(w, r); ok {
		c.sessions.remove(web.Bearer(r))
		write(w, struct{}{})
	}
}
