package web

import (
	"net/http"
	"strings"
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// Authenticator decides who may run commands and read the metrics. Its functions must be safe for concurrent use.
type Authenticator struct {
	// CheckRequest returns who sent a request. If the request must not be served, it answers it and returns false.
	CheckRequest func(w http.ResponseWriter, r *http.Request) (auth.Peer, bool)
	// Matches returns what a password allows; ok is false if it is no key. It compares nothing for a peer that has sent too many
	// wrong ones.
	Matches func(peer auth.Peer, password string) (grant auth.Grant, ok bool)
}

// authenticate reports whether a request has a key that is allowed this: "Authorization: Bearer KEY" (RFC 6750, 2.1). If not, it
// answers the request. The answer to a wrong key is delayed, so that its timing reveals nothing.
func (a Authenticator) authenticate(w http.ResponseWriter, r *http.Request, peer auth.Peer, isAllowed func(g auth.Grant) bool) bool {
	scheme, password, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := strings.EqualFold(scheme, "Bearer") && password != ""
	if given {
		if grant, ok := a.Matches(peer, password); ok && isAllowed(grant) {
			return true
		} else if ok {
			writeException(w, wire.KeyNotAllowed())
			return false
		}
	}
	if given {
		delay := time.NewTimer(auth.FailureDelay())
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-r.Context().Done():
		}
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="perigee"`)
	writeException(w, wire.Unauthorized())
	return false
}

// protected returns a handler for administrators only: it serves requests from this machine that did not come through a proxy,
// and requests with the admin key.
func (a Authenticator) protected(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, ok := a.CheckRequest(w, r)
		if ok && (peer.Direct || a.authenticate(w, r, peer, auth.Grant.Admin)) {
			h.ServeHTTP(w, r)
		}
	})
}
