// Package web is the plain HTTP side: the application's page, commands of other programs, whether the server is alive and
// ready, and who may see its inside. Requests for a WebSocket are handed on. It knows no connection, no message and no script.
package web

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// Options say what is served.
type Options struct {
	// Socket takes every request for a WebSocket, whatever its path: proxies mount the server anywhere.
	Socket http.Handler
	// Pages are static files, served at "/"; nil where there are none.
	Pages fs.FS
	// Commands are served at POST /api/commands/NAME.
	Commands Commands
	// Inside is served at GET /metrics, for this machine and whoever has the key.
	Inside http.Handler
	// Door lets them in, and those who run commands.
	Door Door
	// Ready tells whether new clients are welcome. Any goroutine may call it.
	Ready func() bool
	// Queue says how the queue is; whether it is there or not, clients are welcome. Any goroutine may call it.
	Queue func() string
}

// New returns the handler of all requests.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !o.Ready() {
			answer(w, http.StatusServiceUnavailable, "stopping")
			return
		}
		answer(w, http.StatusOK, "ready\nqueue: "+o.Queue())
	})
	mux.Handle("POST /api/commands/{name}", commands{o.Commands, o.Door})
	mux.HandleFunc("/api/commands/{name}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "only POST")
	})
	mux.Handle("GET /metrics", inside{o.Door, o.Inside})
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, http.StatusMethodNotAllowed, "only GET and HEAD")
	})
	mux.Handle("/", pages(o.Pages))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wantsSocket(r) {
			o.Socket.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// wantsSocket tells whether a request asks for the WebSocket protocol (RFC 6455, 4.1); whether it asks well is the
// broker's to say.
func wantsSocket(r *http.Request) bool {
	for _, field := range r.Header.Values("Upgrade") {
		for token := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "websocket") {
				return true
			}
		}
	}
	return false
}

// answer writes a text.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // a client that is gone needs no answer
}

// pages serves static files. Files whose names begin with a dot, and folders without an index.html, do not exist.
func pages(files fs.FS) http.Handler {
	if files == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			// RFC 9110, 15.5.22: the answer names the protocol that is needed.
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			answer(w, http.StatusUpgradeRequired, "this is a WebSocket server")
		})
	}
	server := http.FileServerFS(visible{files})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			answer(w, http.StatusMethodNotAllowed, "only GET and HEAD")
			return
		}
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'self'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}

// visible hides what is not meant to be served.
type visible struct{ fs.FS }

// Open implements fs.FS.
func (v visible) Open(name string) (fs.File, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part != "." && strings.HasPrefix(part, ".") {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
	}
	info, err := fs.Stat(v.FS, name)
	if err == nil && info.IsDir() {
		_, err = fs.Stat(v.FS, path.Join(name, "index.html"))
	} else if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // to open a pipe is to wait for who writes to it
	}
	if err != nil {
		return nil, hide(err, name)
	}
	file, err := v.FS.Open(name)
	if err != nil {
		return nil, hide(err, name)
	}
	return file, nil
}

// hide makes a file that leads out of the folder, or that cannot be read, look as if it did not exist.
func hide(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
