package web

import (
	"net/http"
	"strings"
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// Door lets in who may run commands and see the inside of the server. Any goroutine may call its functions.
type Door struct {
	// Visitor tells who sent a request. It answers a request that is not to be served, and returns false.
	Visitor func(w http.ResponseWriter, r *http.Request) (auth.Peer, bool)
	// Admit tells whether a password is the key; whoever sends too many wrong ones is not even compared.
	Admit func(peer auth.Peer, password string) bool
}

// authorize tells whether a request has the key: "Authorization: Bearer KEY" (RFC 6750, 2.1). One that has not is answered,
// and late where it has a wrong one, so that the time tells nothing.
func (d Door) authorize(w http.ResponseWriter, r *http.Request, peer auth.Peer) bool {
	scheme, password, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	named := strings.EqualFold(scheme, "Bearer") && password != ""
	if named && d.Admit(peer, password) {
		return true
	}
	if named {
		late := time.NewTimer(auth.FailureDelay())
		defer late.Stop()
		select {
		case <-late.C:
		case <-r.Context().Done():
		}
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="perigee"`)
	except(w, wire.Unauthorized())
	return false
}
