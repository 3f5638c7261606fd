package web

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"perigee/engine/testkit"
)

func get(t *testing.T, h http.Handler, method, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func site() fstest.MapFS {
	return fstest.MapFS{
		"index.html":     {Data: []byte("<title>page</title>")},
		"js/app.js":      {Data: []byte("let x")},
		".env":           {Data: []byte("SECRET=1")},
		".git/config":    {Data: []byte("x")},
		"sub/index.html": {Data: []byte("sub")},
	}
}

// Only regular files are opened: opening a pipe would wait for its writer.
func TestPipeAmongPages(t *testing.T) {
	directory := t.TempDir()
	testkit.MakePipe(t, filepath.Join(directory, "pipe"))
	root, err := os.OpenRoot(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if w := get(t, New(Options{Pages: root.FS(), Socket: http.NotFoundHandler()}), "GET", "/pipe", nil); w.Code != http.StatusNotFound {
		t.Errorf("GET /pipe = %d, want %d", w.Code, http.StatusNotFound)
	}
}

// Pages are served, hidden files and listings are not, and only reading is allowed.
func TestPages(t *testing.T) {
	h := New(Options{
		Pages: site(), Ready: func() bool { return true }, Queue: func() string { return "away" }, Connections: func() (int, int) { return 2, 1 }, Socket: http.NotFoundHandler(),
	})
	rows := []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/", 200, "<title>page</title>"},
		{"HEAD", "/", 200, ""},
		{"GET", "/js/app.js", 200, "let x"},
		{"GET", "/sub/", 200, "sub"},
		{"GET", "/js/", 404, ""},
		{"GET", "/.env", 404, ""},
		{"GET", "/.git/config", 404, ""},
		{"GET", "/missing", 404, ""},
		{"POST", "/", 405, ""},
		{"GET", "/healthz", 200, "ok\n"},
		{"GET", "/readyz", 200, "ready\nqueue: away\nconnections: 2, 1 away\n"},
	}
	for _, row := range rows {
		w := get(t, h, row.method, row.path, nil)
		if w.Code != row.status || row.body != "" && w.Body.String() != row.body {
			t.Errorf("%s %s = %d %q, want %d %q", row.method, row.path, w.Code, w.Body, row.status, row.body)
		}
	}
	w := get(t, h, "GET", "/", nil)
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") {
		t.Errorf("GET /: Content-Security-Policy = %q, want one that keeps to the server itself", csp)
	}
}

// Backups, temporary and hidden files are not served, nor is what such a directory contains; similar names are.
func TestPrivateFiles(t *testing.T) {
	served := []string{
		"a.html", "a.js", "swap.html", "bak", "tmp/a.html", "backup.html", "x.swf", "a~b.html", "c#.html", "#d.html", "e#",
		".well-known/security.txt", "original.png", "f.swift", "g.swz", "h.tmp.html",
	}
	private := []string{
		"index.html~", "index.html.swp", ".index.html.swp", "index.html.swo", "index.html.SWN", "index.html.bak", "index.html.BAK",
		"index.html.orig", "index.html.rej", "index.html.tmp", "index.html.old", "index.html.save", "#index.html#", ".#index.html",
		".env", ".git/config", "old~/a.html", "js.bak/app.js", ".well-known/.htpasswd", ".well-known/a.txt~", "js/app.js~",
		"index.html.swx", "index.html___jb_tmp___", "index.html___jb_old___",
	}
	files := fstest.MapFS{}
	for _, name := range slices.Concat(served, private) {
		files[name] = &fstest.MapFile{Data: []byte("x")}
	}
	h := New(Options{Pages: files, Socket: http.NotFoundHandler()})
	for _, name := range slices.Concat(served, private) {
		want := http.StatusOK
		if slices.Contains(private, name) {
			want = http.StatusNotFound
		}
		path := (&url.URL{Path: "/" + name}).String()
		if w := get(t, h, "GET", path, nil); w.Code != want {
			t.Errorf("GET %s = %d, want %d", path, w.Code, want)
		}
	}
}

// A request for a WebSocket goes to the socket handler on any path.
func TestSocket(t *testing.T) {
	var paths []string
	h := New(Options{Pages: site(), Ready: func() bool { return true }, Socket: http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) { paths = append(paths, r.URL.Path) },
	)})
	for _, path := range []string{"/", "/server/", "/healthz"} {
		get(t, h, "GET", path, http.Header{"Upgrade": {"WebSocket"}, "Connection": {"keep-alive, Upgrade"}})
	}
	get(t, h, "GET", "/", http.Header{"Upgrade": {"h2c"}})
	get(t, h, "GET", "/proxied", http.Header{"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Connection": {"close"}})
	if got := strings.Join(paths, " "); got != "/ /server/ /healthz /proxied" {
		t.Errorf("paths that reached the socket handler: %q, want %q", got, "/ /server/ /healthz /proxied")
	}
}

// Without pages a plain request is answered with 426; a server that stops is not ready.
func TestNoPages(t *testing.T) {
	h := New(Options{Ready: func() bool { return false }, Socket: http.NotFoundHandler()})
	if w := get(t, h, "GET", "/", nil); w.Code != http.StatusUpgradeRequired || w.Header().Get("Upgrade") != "websocket" {
		t.Errorf("GET / without pages = %d, Upgrade %q, want 426 with websocket", w.Code, w.Header().Get("Upgrade"))
	}
	if w := get(t, h, "GET", "/api/commands/Sum", nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET /api/commands/Sum = %d, Allow %q, want 405 with POST", w.Code, w.Header().Get("Allow"))
	}
	if w := get(t, h, "GET", "/readyz", nil); w.Code != http.StatusServiceUnavailable {
		t.Errorf("GET /readyz while stopping = %d, want 503", w.Code)
	}
}

// A symbolic link out of the public directory does not exist.
func TestLinkOut(t *testing.T) {
	outside, inside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	h := New(Options{Pages: root.FS(), Ready: func() bool { return true }, Socket: http.NotFoundHandler()})
	if w := get(t, h, "GET", "/link", nil); w.Code != http.StatusNotFound {
		t.Errorf("GET of a link out of the directory = %d %q, want 404", w.Code, w.Body)
	}
}
