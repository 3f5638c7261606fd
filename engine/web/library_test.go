package web

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

// The client library is served with and without pages, to pages of every origin, and only once to a browser that keeps it. A file
// of the pages with the same name goes first.
func TestLibrary(t *testing.T) {
	for what, h := range map[string]http.Handler{
		"without pages": New(Options{Socket: http.NotFoundHandler()}),
		"with pages":    New(Options{Socket: http.NotFoundHandler(), Pages: site()}),
	} {
		for path, want := range map[string]string{"/perigee.js": "export function connect(", "/perigee.d.ts": "export interface Connection<"} {
			w := get(t, h, "GET", path, nil)
			header := w.Header()
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: GET %s = %d, header %v, body %q", what, path, w.Code, header, w.Body)
			}
			again := get(t, h, "GET", path, http.Header{"If-None-Match": {header.Get("ETag")}})
			if again.Code != http.StatusNotModified {
				t.Errorf("%s: GET %s again = %d, want %d", what, path, again.Code, http.StatusNotModified)
			}
			if w := get(t, h, "POST", path, nil); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s: POST %s = %d, want %d", what, path, w.Code, http.StatusMethodNotAllowed)
			}
		}
		if got := get(t, h, "GET", "/perigee.js", nil).Header().Get("Content-Type"); !strings.HasPrefix(got, "text/javascript") {
			t.Errorf("%s: GET /perigee.js has the type %q, want text/javascript, or browsers do not run it", what, got)
		}
	}
	own := New(Options{Socket: http.NotFoundHandler(), Pages: fstest.MapFS{"perigee.js": {Data: []byte("let own")}}})
	if body := get(t, own, "GET", "/perigee.js", nil).Body.String(); body != "let own" {
		t.Errorf("GET /perigee.js = %q, want the file of the pages", body)
	}
	if body := get(t, own, "GET", "/perigee.d.ts", nil).Body.String(); !strings.Contains(body, "export") {
		t.Errorf("GET /perigee.d.ts = %q, want that of the library", body)
	}
}
