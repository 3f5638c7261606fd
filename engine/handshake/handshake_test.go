package handshake

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A request has its path, its parameters, its header fields in lower case and its cookies; the handshake's own fields are left out.
func TestRead(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/tea%20room/%3F?room=1&room=2&empty=&broken=%zz&q=a%3Db", http.NoBody)
	r.Host = "game.example"
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Key": "x", "Sec-Websocket-Version": "13",
		"Sec-Websocket-Extensions": "permessage-deflate", "Sec-Websocket-Protocol": "perigee.resume.secret, chat",
		"Origin": "https://game.example", "Authorization": "Bearer x", "X-Colon": "a: b",
	} {
		r.Header.Set(name, value)
	}
	r.Header["Cookie"] = []string{"session=abc; session=old", "theme=\"dark\"; bad cookie"}
	r.Header["X-Twice"] = []string{"1", "2"}
	got := Read(r, []string{"chat", "token.xyz"}, "chat")
	if got.Path() != "/tea room/?" || got.Protocol != "chat" {
		t.Errorf("path %q, protocol %q, want /tea room/? and chat", got.Path(), got.Protocol)
	}
	for _, row := range []struct {
		what      string
		got, want any
	}{
		{"query", got.Query(), map[string]string{"room": "1", "empty": "", "q": "a=b"}},
		{"cookies", got.Cookies(), map[string]string{"session": "abc", "theme": "dark"}},
		{"protocols", got.Protocols(), []string{"chat", "token.xyz"}},
		{"headers", got.Headers(), map[string]string{
			"host": "game.example", "origin": "https://game.example", "authorization": "Bearer x", "x-colon": "a: b", "x-twice": "1, 2",
			"cookie": "session=abc; session=old; theme=\"dark\"; bad cookie",
		}},
	} {
		if fmt.Sprint(row.got) != fmt.Sprint(row.want) {
			t.Errorf("%s = %v, want %v", row.what, row.got, row.want)
		}
	}
}

// A bare request takes little memory.
func TestReadIsCompact(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if got := len(Read(r, nil, "").text); got > 32 {
		t.Errorf("a bare request keeps %d bytes of text, want 32 at most", got)
	}
}
