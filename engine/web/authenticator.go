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

// Bearer returns what a request presents as "Authorization: Bearer KEY" (RFC 6750, 2.1), or "".
func Bearer(r *http.Request) string {
	scheme, password, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return password
}

// Authenticate reports whether a password is a key that is allowed this. If not, it answers the request. The answer to a wrong key
// is delayed, so that its timing reveals nothing.
func (a Authenticator) Authenticate(w http.ResponseWriter, r *http.Request, peer auth.Peer, password string, isAllowed func(g auth.Grant) bool) bool {
	if password == "" {
		unauthorized(w)
		return false
	}
	grant, ok := a.Matches(peer, password)
	switch {
	case ok && isAllowed(grant):
		return true
	case ok:
		WriteException(w, wire.KeyNotAllowed())
	default:
		RefuseLate(w, r)
	}
	return false
}

// RefuseLate answers a request with a wrong key, after a delay.
func RefuseLate(w http.ResponseWriter, r *http.Request) {
	delay := time.NewTimer(auth.FailureDelay())
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-r.Context().Done():
	}
	unauthorized(w)
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="perigee"`)
	WriteException(w, wire.Unauthorized())
}

// protected returns a handler for administrators only: it serves requests from this machine that did not come through a proxy,
// and requests with the admin key.
func (a Authenticator) protected(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, ok := a.CheckRequest(w, r)
		if ok && (peer.Direct || a.Authenticate(w, r, peer, Bearer(r), auth.Grant.Admin)) {
			h.ServeHTTP(w, r)
		}
	})
}
