package harness

import (
	"cmp"
	"net/http"
	"strings"

	"perigee/engine/fetch"
)

// Stub is the response of another server to requests of the scripts.
type Stub struct {
	URL      string // in which "*" matches any text
	Response fetch.Response
	Failure  error // instead of the response
}

// MissingStub is the error of a request for which the spec has no stub.
type MissingStub struct{ Method, URL string }

// Error names the request.
func (u MissingStub) Error() string {
	return "there is no stub for the request " + u.Method + " " + u.URL
}

// AddStub adds a stub. If several match a URL, the latest is used.
func (s *Server) AddStub(stub Stub) {
	s.stubs = append(s.stubs, stub)
}

// fetch answers a request of the scripts in a turn of its own.
func (s *Server) fetch(r fetch.Request, done func(fetch.Response, error)) func() {
	found := Stub{Failure: fetch.Failure("refused")}
	known := false
	for _, a := range s.stubs {
		if matchesURL(a.URL, r.URL) {
			found, known = a, true
		}
	}
	if !known {
		s.log.addError(MissingStub{cmp.Or(r.Method, http.MethodGet), r.URL})
	}
	s.loop.Next("http", func() { done(found.Response, found.Failure) })
	return func() {}
}

// matchesURL reports whether a text matches a pattern, in which "*" matches any text.
func matchesURL(pattern, text string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for i := range len(text) + 1 {
		if matchesURL(rest, text[i:]) {
			return true
		}
	}
	return false
}
