// Package web owns plain HTTP: the application's pages, the client library, commands, health checks, and the authentication for
// commands and metrics. It passes on requests for a WebSocket, and must not know messages or scripts, nor more of connections than
// their number.
package web

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

// Options are the settings of the handler.
type Options struct {
	// Socket handles every request for a WebSocket, whatever its path: proxies may serve it under any.
	Socket http.Handler
	// Pages are static files, served at "/". Optional.
	Pages fs.FS
	// Commands are served at POST /api/commands/NAME.
	Commands Commands
	// Metrics is served at GET /metrics, to this machine and to clients with the key.
	Metrics http.Handler
	// Auth authenticates clients for Metrics and Commands.
	Auth Authenticator
	// Console is served at ConsolePath, which begins and ends with a slash, and below it. Optional.
	Console     http.Handler
	ConsolePath string
	// Ready reports whether new clients are accepted. It must be safe for concurrent use.
	Ready func() bool
	// Connections returns how many clients are connected, and how many of the connections are away. It must be safe for concurrent
	// use.
	Connections func() (connected, away int)
	// Queue returns the status of the queue, which does not affect Ready. It must be safe for concurrent use.
	Queue func() string
}

// New returns the handler of all requests.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !o.Ready() {
			writeText(w, http.StatusServiceUnavailable, "stopping")
			return
		}
		connected, away := o.Connections()
		writeText(w, http.StatusOK, fmt.Sprintf("ready\nqueue: %s\nconnections: %d, %d away", o.Queue(), connected, away))
	})
	mux.Handle("POST /api/commands/{name}", commands{o.Commands, o.Auth})
	mux.HandleFunc("/api/commands/{name}", func(w http.ResponseWriter, _ *http.Request) {
		methodNotAllowed(w, "POST", "only POST")
	})
	mux.Handle("GET /metrics", o.Auth.protected(o.Metrics))
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		methodNotAllowed(w, "GET, HEAD", "only GET and HEAD")
	})
	if o.Console != nil {
		mux.Handle(o.ConsolePath, o.Console)
	}
	site := pages(o.Pages)
	mux.Handle("/", site)
	for _, file := range libraryFiles() {
		mux.Handle("/"+file.name, file.handler(o.Pages, site))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close") // the broker's listener does not look for the end of such a body
		}
		if wantsWebSocket(r) {
			o.Socket.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// wantsWebSocket reports whether a request asks for the WebSocket protocol (RFC 6455, 4.1), or did so before a proxy dropped the
// header Upgrade, which only goes to the next hop. It does not check whether the handshake is valid.
func wantsWebSocket(r *http.Request) bool {
	if r.Header.Get("Sec-WebSocket-Key") != "" {
		return true
	}
	for _, field := range r.Header.Values("Upgrade") {
		for token := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "websocket") {
				return true
			}
		}
	}
	return false
}

// methodNotAllowed answers a request whose method is not one of allowed.
func methodNotAllowed(w http.ResponseWriter, allowed, text string) {
	w.Header().Set("Allow", allowed)
	writeText(w, http.StatusMethodNotAllowed, text)
}

// writeText answers with one line of text.
func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // fails only if the client is gone
}

// pages serves static files. Private files, and directories without an index.html, do not exist.
func pages(files fs.FS) http.Handler {
	if files == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			// RFC 9110, 15.5.22: the answer names the protocol that is needed.
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			writeText(w, http.StatusUpgradeRequired, "this is a WebSocket server")
		})
	}
	server := http.FileServerFS(visible{files})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if allowsRead(w, r) {
			setPageHeaders(w.Header())
			server.ServeHTTP(w, r)
		}
	})
}

// allowsRead reports whether a request reads; it answers any other.
func allowsRead(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	methodNotAllowed(w, "GET, HEAD", "only GET and HEAD")
	return false
}

func setPageHeaders(header http.Header) {
	header.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'self'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache")
}

// isPrivate reports whether a file or directory of this name must not be served: hidden ones except .well-known (RFC 8615), and the
// backups and temporary files that editors, patches and merges leave behind. They would show the source of a page as it was, or
// what somebody was about to delete from it.
func isPrivate(name string) bool {
	if strings.HasPrefix(name, ".") {
		return name != ".well-known"
	}
	if strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") {
		return true // of Emacs and others
	}
	if strings.HasSuffix(name, "___jb_tmp___") || strings.HasSuffix(name, "___jb_old___") {
		return true // of the editors of JetBrains
	}
	extensions := []string{
		".swp", ".swo", ".swn", ".swm", ".swl", ".swk", ".swx", // of Vim
		".bak", ".backup", ".old", ".orig", ".rej", ".save", ".tmp", ".temp", ".part",
	}
	return slices.Contains(extensions, strings.ToLower(path.Ext(name)))
}

// visible hides files that must not be served. A file that leads out of the directory, or that cannot be read, does not exist
// either.
type visible struct{ fs.FS }

func (v visible) Open(name string) (fs.File, error) {
	notExist := &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	if name != "." && slices.ContainsFunc(strings.Split(name, "/"), isPrivate) {
		return nil, notExist
	}
	info, err := fs.Stat(v.FS, name)
	if err == nil && info.IsDir() {
		_, err = fs.Stat(v.FS, path.Join(name, "index.html"))
	} else if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // opening a pipe would wait for its writer
	}
	if err != nil {
		return nil, notExist
	}
	file, err := v.FS.Open(name)
	if err != nil {
		return nil, notExist
	}
	return file, nil
}
