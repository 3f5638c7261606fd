package web

import "net/http"

// protected is a handler for administrators only.
type protected struct {
	auth    Authenticator
	handler http.Handler
}

// ServeHTTP serves requests from this machine that did not come through a proxy, and requests with the key.
func (p protected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, ok := p.auth.CheckRequest(w, r)
	if ok && (peer.Direct || p.auth.authenticate(w, r, peer)) {
		p.handler.ServeHTTP(w, r)
	}
}
