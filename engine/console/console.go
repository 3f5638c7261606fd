// Package console owns what operators see of a running server, and do to it: the HTTP API below the path of the console, the sessions
// that open it, and the shapes of its JSON. It decides who gets in, and hides secrets in everything that it shows. It must not know how
// the server finds its answers: it asks a Server.
package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/failures"
	"perigee/engine/logging"
	"perigee/engine/web"
	"perigee/engine/wire"
)

const (
	maxBody = 64 << 10 // bytes of a request's body
	// queueTimeout is how long an answer waits for the queue service.
	queueTimeout = 5 * time.Second
)

// Options configure a Console.
type Options struct {
	Server Server
	// Auth checks who sends a request, and whether a password is a key.
	Auth web.Authenticator
	Log  *slog.Logger
	// Tail has the latest records of the log. Optional.
	Tail *logging.Tail
	// Failures has the latest failures of the scripts.
	Failures *failures.Log
}

// Settings are those that may change while the server runs.
type Settings struct {
	// Actions allows operators to change something.
	Actions bool
	// Redactor hides secrets.
	Redactor wire.Redactor
}

// Console is the console of a server. It is safe for concurrent use.
type Console struct {
	// Set by New, never changed.
	options Options
	api     http.Handler // of authenticated requests
	mux     http.Handler

	settings atomic.Pointer[Settings]
	sessions sessions
	streams  streams
}

// New returns a console, whose handler expects paths without that of the console: "/api/overview".
func New(o Options, s Settings) *Console {
	c := &Console{options: o, api: http.NotFoundHandler()}
	c.Configure(s)
	c.api = c.routes()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", about)
	mux.HandleFunc("POST /session", c.openSession)
	mux.HandleFunc("DELETE /session", c.closeSession)
	mux.HandleFunc("/api/", c.serveAPI)
	c.mux = mux
	return c
}

// Configure changes the settings.
func (c *Console) Configure(s Settings) { c.settings.Store(&s) }

// EndSessions ends all sessions, tickets and streams, because the admin key has changed.
func (c *Console) EndSessions() {
	c.sessions.end()
	c.streams.endAll(errKey)
}

// EndStreams ends the answers that go on until they are ended, because the server stops.
func (c *Console) EndStreams() { c.streams.endAll(errStopping) }

// redactor returns the present redactor.
func (c *Console) redactor() wire.Redactor { return c.settings.Load().Redactor }

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	c.mux.ServeHTTP(w, r)
}

// about answers a request for the console itself.
func about(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "The console of a Perigee server. Its API answers at api/overview and the other paths of cmd/perigee/README.md,\n"+
		"with the admin key: Authorization: Bearer KEY.\n") // fails only if the client is gone
}

// serveAPI serves requests with the key or the token of a session. Unlike the metrics, the console has no exception for this
// machine: its other users are no operators.
func (c *Console) serveAPI(w http.ResponseWriter, r *http.Request) {
	peer, ok := c.options.Auth.CheckRequest(w, r)
	if !ok {
		return
	}
	password := web.Bearer(r)
	switch known, isToken := c.sessions.use(password, time.Now()); {
	case known:
	case isToken: // of a session that has ended; not counted as a guess of the key
		web.WriteException(w, wire.Unauthorized())
		return
	case !c.options.Auth.Authenticate(w, r, peer, password, auth.Grant.Admin):
		return
	}
	c.api.ServeHTTP(w, r.WithContext(withOperator(r.Context(), peer.Addr.String())))
}

// Do answers a request of the operator of this machine, who needs no key, as the API does. path begins with "/api/".
func (c *Console) Do(ctx context.Context, method, path string, body []byte) (status int, answer json.RawMessage, err error) {
	r, err := http.NewRequestWithContext(withOperator(ctx, "control socket"), method, path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	c.api.ServeHTTP(w, r)
	if w.header.Get("Content-Type") != "application/json" { // of the mux
		return 0, nil, errors.New(strings.TrimSpace(w.body.String()))
	}
	return w.status, w.body.Bytes(), nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header                { return r.header }
func (r *recorder) WriteHeader(status int)             { r.status = status }
func (r *recorder) Write(text []byte) (n int, _ error) { return r.body.Write(text) }

// operatorKey is the key of the operator's address in a context.
type operatorKey struct{}

func withOperator(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, operatorKey{}, address)
}

// audit logs an action of an operator.
func (c *Console) audit(ctx context.Context, action string, fields ...any) {
	c.options.Log.Info("console: action", append([]any{"action", action, "by", ctx.Value(operatorKey{})}, fields...)...)
}
