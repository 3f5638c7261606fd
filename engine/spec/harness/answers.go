package harness

import (
	"net/http"
	"strings"

	"perigee/engine/fetch"
)

// Answer is what another server says.
type Answer struct {
	URL      string // "*" in it stands for anything
	Response fetch.Response
	Failure  error // in the place of the response
}

// Unanswered is what went wrong where the scripts ask a server of which the spec has not said what it answers.
type Unanswered struct{ Method, URL string }

// Error names the request.
func (u Unanswered) Error() string { return "nobody answers the request " + u.Method + " " + u.URL }

// Answer has requests to a URL answered; the latest answer to it counts.
func (s *Server) Answer(a Answer) {
	s.answers = append(s.answers, a)
}

// fetch answers a request of the scripts in a turn of its own.
func (s *Server) fetch(r fetch.Request, done func(fetch.Response, error)) func() {
	found := Answer{Failure: fetch.Failure("refused")}
	known := false
	for _, a := range s.answers {
		if covers(a.URL, r.URL) {
			found, known = a, true
		}
	}
	if !known {
		method := r.Method
		if method == "" {
			method = http.MethodGet
		}
		s.journal.add(Unanswered{method, r.URL})
	}
	s.loop.Next("http", func() { done(found.Response, found.Failure) })
	return func() {}
}

// covers tells whether a text is as a pattern, in which "*" stands for anything.
func covers(pattern, text string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for i := range len(text) + 1 {
		if covers(rest, text[i:]) {
			return true
		}
	}
	return false
}
