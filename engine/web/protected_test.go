package web

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"perigee/engine/auth"
)

// Metrics are served to this machine without a proxy, and to clients with the key. A request that CheckRequest refuses is not
// authenticated.
func TestProtected(t *testing.T) {
	direct := auth.Peer{Addr: netip.MustParseAddr("127.0.0.1"), Direct: true}
	proxied := auth.Peer{Addr: netip.MustParseAddr("127.0.0.1"), Untrusted: true}
	stranger := auth.Peer{Addr: netip.MustParseAddr("192.0.2.7")}
	for _, row := range []struct {
		claim, method, authorization string
		peer                         auth.Peer
		foreign                      bool
		status                       int
		asked                        string
	}{
		{claim: "this machine", method: "GET", peer: direct, status: 200},
		{claim: "this machine, only the head", method: "HEAD", peer: direct, status: 200},
		{claim: "a page of another site on this machine", method: "GET", peer: direct, foreign: true, status: 403},
		{claim: "through a proxy", method: "GET", peer: proxied, status: 401},
		{claim: "through a proxy, with the key", method: "GET", peer: proxied, authorization: "Bearer right", status: 200, asked: "right"},
		{claim: "another machine", method: "GET", peer: stranger, status: 401},
		{claim: "another machine, with a wrong key", method: "GET", peer: stranger, authorization: "Bearer wrong", status: 401, asked: "wrong"},
		{claim: "another machine, with the key", method: "GET", peer: stranger, authorization: "bearer right", status: 200, asked: "right"},
		{claim: "another machine, with the key of a program", method: "GET", peer: stranger, authorization: "Bearer shop", status: 403, asked: "shop"},
		{claim: "the key in another scheme", method: "GET", peer: stranger, authorization: "Basic right", status: 401},
		{claim: "another method", method: "POST", peer: direct, status: 405},
	} {
		synctest.Test(t, func(t *testing.T) {
			var passwords []string
			h := New(Options{
				Ready: func() bool { return true }, Socket: http.NotFoundHandler(),
				Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
				Auth: Authenticator{
					CheckRequest: func(w http.ResponseWriter, _ *http.Request) (auth.Peer, bool) {
						if row.foreign {
							w.WriteHeader(http.StatusForbidden)
						}
						return row.peer, !row.foreign
					},
					Matches: func(_ auth.Peer, password string) (auth.Grant, bool) {
						passwords = append(passwords, password)
						if password == "shop" {
							return auth.Grant{}, true
						}
						return auth.AdminGrant(), password == "right"
					},
				},
			})
			header := http.Header{}
			if row.authorization != "" {
				header.Set("Authorization", row.authorization)
			}
			w := get(t, h, row.method, "/metrics", header)
			if w.Code != row.status || (w.Code == http.StatusOK) != strings.Contains(w.Body.String(), "metrics") {
				t.Errorf("%s: %s /metrics = %d %s, want %d", row.claim, row.method, w.Code, w.Body, row.status)
			}
			if asked := strings.Join(passwords, " "); asked != row.asked {
				t.Errorf("%s: the passwords compared are %q, want %q", row.claim, asked, row.asked)
			}
			if row.status == http.StatusUnauthorized &&
				(!strings.Contains(w.Body.String(), `"exception":"Unauthorized"`) || w.Header().Get("WWW-Authenticate") == "") {
				t.Errorf("%s: the answer is %s, WWW-Authenticate %q, want an exception and a challenge", row.claim, w.Body, w.Header().Get("WWW-Authenticate"))
			}
		})
	}
}
