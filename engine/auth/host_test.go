package auth

import (
	"net/netip"
	"strings"
	"testing"
)

// Requests from this machine are served only under the server's own names, so that a page whose name was rebound to
// 127.0.0.1 is refused.
func TestHosts(t *testing.T) {
	tests := []struct {
		list, peer, host string
		headers          []string
		ok               bool
	}{
		{"", "127.0.0.1", "localhost", nil, true},
		{"", "127.0.0.1", "localhost:8080", nil, true},
		{"", "127.0.0.1", "LOCALHOST:8080", nil, true},
		{"", "127.0.0.1", "127.0.0.1:8080", nil, true},
		{"", "127.0.0.1", "[::1]:8080", nil, true},
		{"", "::1", "[::1]", nil, true},
		{"", "::1", "[0:0:0:0:0:0:0:1]:8080", nil, true},
		{"", "::ffff:127.0.0.1", "evil.example", nil, false},
		{"", "127.0.0.1", "evil.example", nil, false},
		{"", "127.0.0.1", "evil.example:8080", nil, false},
		{"", "::1", "evil.example:8080", nil, false},
		{"", "127.8.8.8", "evil.example:8080", nil, false},
		{"", "127.0.0.1", "localhost.evil.example", nil, false},
		{"", "127.0.0.1", "user@localhost", nil, false},
		{"", "127.0.0.1", "localhost:0", nil, false},
		{"", "127.0.0.1", "localhost:x", nil, false},
		{"", "127.0.0.1", "127.0.0.2", nil, false},
		{"", "127.0.0.1", "192.0.2.7:8080", nil, false},
		{"", "127.0.0.1", "::1", nil, false},
		{"", "127.0.0.1", "", nil, false},
		{"dev.local box 192.0.2.7 2001:db8::1 [2001:db8::2]", "127.0.0.1", "dev.local:8080", nil, true},
		{"dev.local box 192.0.2.7 2001:db8::1 [2001:db8::2]", "127.0.0.1", "Box", nil, true},
		{"dev.local box 192.0.2.7 2001:db8::1 [2001:db8::2]", "127.0.0.1", "192.0.2.7", nil, true},
		{"dev.local box 192.0.2.7 2001:db8::1 [2001:db8::2]", "::1", "[2001:db8::1]:8080", nil, true},
		{"dev.local box 192.0.2.7 2001:db8::1 [2001:db8::2]", "::1", "[2001:DB8:0::2]:8080", nil, true},
		{"dev.local box", "127.0.0.1", "localhost", nil, true},
		{"dev.local box", "127.0.0.1", "x.dev.local", nil, false},
		{"dev.local box", "127.0.0.1", "evil.example", nil, false},
		{"", "203.0.113.7", "evil.example", nil, true},
		{"dev.local", "203.0.113.7", "evil.example", nil, true},
		{"", "127.0.0.1", "public.example", []string{"X-Forwarded-For: 203.0.113.7"}, true},
		{"", "127.0.0.1", "public.example", []string{"X-Real-IP: 203.0.113.7"}, true},
		{"", "127.0.0.1", "public.example", []string{"Forwarded: for=203.0.113.7"}, true},
		{"", "127.0.0.1", "public.example", []string{"X-Forwarded-Proto: https"}, true},
	}
	for _, test := range tests {
		h, err := ParseHosts(strings.Fields(test.list))
		if err != nil {
			t.Fatalf("ParseHosts(%q) = %v, want no error", test.list, err)
		}
		r := request(test.peer, test.headers...)
		r.Host = test.host
		if err := h.Check(r, netip.MustParseAddr(test.peer)); (err == nil) != test.ok {
			t.Errorf("Check(%+v) = %v, want ok %v", test, err, test.ok)
		}
	}
	r := request("@")
	r.Host = "anything"
	if err := (Hosts{}).Check(r, netip.Addr{}); err != nil {
		t.Errorf("Check(no peer address) = %v, want nil", err)
	}
}

// A list of hosts accepts names and addresses without ports, and the error quotes the entry.
func TestParseHosts(t *testing.T) {
	for _, entry := range []string{"", "*", "*.example.com", "localhost:8080", "http://localhost", "[::1]:80", "a b", "fe80::1%eth0", "[::1"} {
		_, err := ParseHosts([]string{"dev.local", entry})
		if err == nil || !strings.Contains(err.Error(), quote(entry)) {
			t.Errorf("ParseHosts(%q) = %v, want an error that quotes it", entry, err)
		}
	}
}
