package auth

import (
	"crypto/tls"
	"net/url"
	"strings"
	"testing"
)

// origins returns the origins of a valid list.
func origins(t *testing.T, list ...string) Origins {
	t.Helper()
	o, err := ParseOrigins(list)
	if err != nil {
		t.Fatalf("ParseOrigins(%q) = %v, want no error", list, err)
	}
	return o
}

// A page may connect if its origin is the server's own or listed.
func TestOrigins(t *testing.T) {
	const listed = "https://app.example.com https://*.example.org http://intra:8000 https://*.dev.example.org:8443"
	tests := []struct {
		name    string
		list    string
		host    string
		tls     bool
		origins []string
		ok      bool
	}{
		// The server's own.
		{"not a browser", "", "example.com", false, nil, true},
		{"same", "", "example.com:8080", false, []string{"http://example.com:8080"}, true},
		{"same, default port", "", "example.com", false, []string{"http://example.com"}, true},
		{"same, default port in Host only", "", "example.com:80", false, []string{"http://example.com"}, true},
		{"same, default port in Origin only", "", "example.com", false, []string{"http://example.com:80"}, true},
		{"same over TLS", "", "example.com", true, []string{"https://example.com"}, true},
		{"same over TLS, port", "", "example.com:443", true, []string{"https://example.com"}, true},
		{"same in other case", "", "Example.COM:8080", false, []string{"http://example.com:8080"}, true},
		{"same IPv4", "", "127.0.0.1:8080", false, []string{"http://127.0.0.1:8080"}, true},
		{"same IPv6", "", "[::1]:8080", false, []string{"http://[::1]:8080"}, true},
		{"same IPv6, other spelling", "", "[0:0::1]:8080", false, []string{"http://[::1]:8080"}, true},
		{"underscore", "", "my_box:8080", false, []string{"http://my_box:8080"}, true},
		{"other host", "", "example.com", false, []string{"http://evil.example"}, false},
		{"other port", "", "example.com:8080", false, []string{"http://example.com:8081"}, false},
		{"no port against another", "", "example.com:8080", false, []string{"http://example.com"}, false},
		{"below our name", "", "example.com", false, []string{"http://www.example.com"}, false},
		{"our name below another", "", "example.com", false, []string{"http://example.com.evil.example"}, false},
		{"https page, http server", "", "example.com", false, []string{"https://example.com"}, false},
		{"https page, http server, port 443", "", "example.com:443", false, []string{"https://example.com"}, false},
		{"http page, https server", "", "example.com", true, []string{"http://example.com"}, false},
		{"localhost is not 127.0.0.1", "", "127.0.0.1:8080", false, []string{"http://localhost:8080"}, false},
		{"no Host", "", "", false, []string{"http://example.com"}, false},

		// What is no origin.
		{"null", "", "example.com", false, []string{"null"}, false},
		{"empty", "", "example.com", false, []string{""}, false},
		{"no scheme", "", "example.com", false, []string{"example.com"}, false},
		{"no scheme, slashes", "", "example.com", false, []string{"//example.com"}, false},
		{"other scheme", "", "example.com", false, []string{"ftp://example.com"}, false},
		{"scheme of sockets", "", "example.com", false, []string{"ws://example.com"}, false},
		{"user", "", "example.com", false, []string{"http://user@example.com"}, false},
		{"user and password", "", "example.com", false, []string{"http://u:p@example.com"}, false},
		{"path", "", "example.com", false, []string{"http://example.com/"}, false},
		{"query", "", "example.com", false, []string{"http://example.com?x"}, false},
		{"fragment", "", "example.com", false, []string{"http://example.com#x"}, false},
		{"escape", "", "example.com", false, []string{"http://example%2ecom"}, false},
		{"space before", "", "example.com", false, []string{" http://example.com"}, false},
		{"two in one", "", "example.com", false, []string{"http://example.com http://evil.example"}, false},
		{"two, first is ours", "", "example.com", false, []string{"http://example.com", "http://evil.example"}, false},
		{"twice the same", "", "example.com", false, []string{"http://example.com", "http://example.com"}, false},
		{"empty port", "", "example.com", false, []string{"http://example.com:"}, false},
		{"port 0", "", "example.com:0", false, []string{"http://example.com:0"}, false},
		{"port too large", "", "example.com", false, []string{"http://example.com:65616"}, false},
		{"zone", "", "[fe80::1%25eth0]", false, []string{"http://[fe80::1%25eth0]"}, false},
		{"IPv6 without brackets", "", "::1", false, []string{"http://::1"}, false},
		{"empty label", "", "a..b", false, []string{"http://a..b"}, false},
		{"too long", "", strings.Repeat("a", 254), false, []string{"http://" + strings.Repeat("a", 254)}, false},

		// Listed.
		{"listed", listed, "ws.example.net", false, []string{"https://app.example.com"}, true},
		{"listed, default port", listed, "ws.example.net", false, []string{"https://app.example.com:443"}, true},
		{"listed, other case", listed, "ws.example.net", false, []string{"HTTPS://App.Example.Com"}, true},
		{"listed, port", listed, "ws.example.net", false, []string{"http://intra:8000"}, true},
		{"own beside listed", listed, "ws.example.net", false, []string{"http://ws.example.net"}, true},
		{"one label", listed, "ws.example.net", false, []string{"https://a-1.example.org"}, true},
		{"one label, port", listed, "ws.example.net", false, []string{"https://x.dev.example.org:8443"}, true},
		{"listed, other scheme", listed, "ws.example.net", false, []string{"http://app.example.com"}, false},
		{"listed, other port", listed, "ws.example.net", false, []string{"https://app.example.com:8443"}, false},
		{"listed, not its port", listed, "ws.example.net", false, []string{"http://intra"}, false},
		{"two labels", listed, "ws.example.net", false, []string{"https://a.b.example.org"}, false},
		{"no label", listed, "ws.example.net", false, []string{"https://example.org"}, false},
		{"empty first label", listed, "ws.example.net", false, []string{"https://.example.org"}, false},
		{"label without dot", listed, "ws.example.net", false, []string{"https://evilexample.org"}, false},
		{"asterisk itself", listed, "ws.example.net", false, []string{"https://*.example.org"}, false},
		{"family, other scheme", listed, "ws.example.net", false, []string{"http://a.example.org"}, false},
		{"null though some are listed", listed, "ws.example.net", false, []string{"null"}, false},

		// Any.
		{"any", "*", "ws.example.net", false, []string{"https://evil.example"}, true},
		{"any, null", "*", "ws.example.net", false, []string{"null"}, true},
		{"any, but two", "*", "ws.example.net", false, []string{"https://a.example", "https://b.example"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := request("203.0.113.7:4")
			r.Host = test.host
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			for _, line := range test.origins {
				r.Header.Add("Origin", line)
			}
			err := origins(t, strings.Fields(test.list)...).Check(r)
			if (err == nil) != test.ok {
				t.Errorf("Check(Host %q, TLS %v, Origin %q), list %q = %v, want ok %v",
					test.host, test.tls, test.origins, test.list, err, test.ok)
			}
		})
	}
}

// Behind a trusted proxy that terminates TLS, the server's own origin is https.
func TestOriginsBehindProxy(t *testing.T) {
	tests := []struct {
		peer, proto, origin string
		ok                  bool
	}{
		{"10.0.0.1:4", "https", "https://example.com", true},
		{"10.0.0.1:4", "HTTPS", "https://example.com", true},
		{"10.0.0.1:4", "wss", "https://example.com", true},
		{"10.0.0.1:4", "https, http", "https://example.com", true},
		{"10.0.0.1:4", "http", "https://example.com", false},
		{"10.0.0.1:4", "https", "http://example.com", false},
		{"10.0.0.1:4", "", "https://example.com", true},
		{"10.0.0.1:4", "", "http://example.com", true},
		{"10.0.0.1:4", "gopher", "https://example.com", true},
		{"10.0.0.1:4", "", "https://evil.example", false},
		{"10.0.0.1:4", "https", "https://example.com:8443", true}, // Host has no port
		{"127.0.0.1:4", "https", "https://example.com", false},
		{"127.0.0.1:4", "https", "http://example.com", true},
	}
	for _, test := range tests {
		r := request(test.peer, "Origin: "+test.origin)
		r.Host = "example.com"
		if test.proto != "" {
			r.Header.Set("X-Forwarded-Proto", test.proto)
		}
		err := Origins{Proxies: proxies(t, "10.0.0.1")}.Check(r)
		if (err == nil) != test.ok {
			t.Errorf("Check(%+v) behind 10.0.0.1 = %v, want ok %v", test, err, test.ok)
		}
	}
}

// A Host without the port is accepted from a trusted proxy only, and only if nothing but the port is missing.
func TestOriginsWithoutPort(t *testing.T) {
	const trusted, other = "10.0.0.1:4", "10.0.0.2:4"
	for _, test := range []struct {
		peer, proto, host, origin string
		ok                        bool
	}{
		{trusted, "http", "example.com", "http://example.com:31180", true},
		{trusted, "", "example.com", "http://example.com:31180", true},
		{trusted, "https", "example.com", "https://example.com:8443", true},
		{trusted, "", "Example.com", "https://example.com:8443", true},
		{trusted, "http", "[2001:db8::1]", "http://[2001:db8::1]:31180", true},
		{trusted, "https", "example.com", "http://example.com:31180", false},
		{trusted, "http", "example.com:80", "http://example.com:31180", false},
		{trusted, "http", "example.com:31181", "http://example.com:31180", false},
		{trusted, "http", "example.com", "http://evil.example:31180", false},
		{trusted, "http", "example.com", "http://www.example.com:31180", false},
		{trusted, "http", "", "http://example.com:31180", false},
		{other, "http", "example.com", "http://example.com:31180", false},
		{"127.0.0.1:4", "http", "example.com", "http://example.com:31180", false},
	} {
		r := request(test.peer, "Origin: "+test.origin)
		r.Host = test.host
		if test.proto != "" {
			r.Header.Set("X-Forwarded-Proto", test.proto)
		}
		if err := (Origins{Proxies: proxies(t, "10.0.0.1")}).Check(r); (err == nil) != test.ok {
			t.Errorf("Check(%+v) behind 10.0.0.1 = %v, want ok %v", test, err, test.ok)
		}
	}
}

// If an Origin header is required, a request without one is refused, whatever is listed.
func TestOriginsRequired(t *testing.T) {
	for _, list := range []string{"", "*"} {
		o := origins(t, strings.Fields(list)...)
		o.Required = true
		if err := o.Check(request("127.0.0.1:4")); err == nil {
			t.Errorf("Check(no Origin), list %q = nil, want an error", list)
		}
		if err := o.Check(request("127.0.0.1:4", "Origin: http://localhost:8080")); err != nil {
			t.Errorf("Check(own origin), list %q = %v, want nil", list, err)
		}
	}
}

// A list of origins accepts what browsers send, wildcards and the asterisk; the error quotes the entry.
func TestParseOrigins(t *testing.T) {
	bad := []string{
		"", "null", "app.example.com", "https://", "https://app.example.com/", "https://*", "https://*.", "https://a*.example.com",
		"https://*.*.example.com", "*.example.com", "ftp://example.com", "https://user@example.com", "https://münchen.example",
		"https://*.[::1]", "https://example.com:0", "https://example.com:http",
	}
	for _, entry := range bad {
		_, err := ParseOrigins([]string{"https://app.example.com", entry})
		if err == nil || !strings.Contains(err.Error(), quote(entry)) {
			t.Errorf("ParseOrigins(%q) = %v, want an error that quotes it", entry, err)
		}
	}
	if origins(t, "https://a.example").Any || !origins(t, "https://a.example", "*").Any {
		t.Error("Any() does not tell a list with an asterisk from one without")
	}
}

// An error quotes only the beginning of a long header, and no control characters for a terminal.
func TestOriginErrorIsShort(t *testing.T) {
	r := request("127.0.0.1:4", "Origin: http://\x1b[2J"+strings.Repeat("x", 8000))
	err := Origins{}.Check(r)
	if err == nil || len(err.Error()) > 300 || strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("Check(long Origin) = %q, want a short and harmless error", err)
	}
}

// Without a list, an origin is accepted only if it is that of Host; net/url, which is laxer, must agree.
func FuzzOrigin(f *testing.F) {
	f.Add("http://example.com", "example.com", false)
	f.Add("https://example.com:443", "example.com", true)
	f.Add("http://[::1]:8080", "[::1]:8080", false)
	f.Add("http://user@example.com", "example.com", false)
	f.Add("//example.com", "example.com", false)
	f.Add("http://example.com:080", "example.com:80", false)
	f.Fuzz(func(t *testing.T, origin, host string, secure bool) {
		r := request("203.0.113.7:4")
		r.Header["Origin"] = []string{origin}
		r.Host = host
		scheme, port := "http", "80"
		if secure {
			r.TLS = &tls.ConnectionState{}
			scheme, port = "https", "443"
		}
		err := Origins{}.Check(r)
		listed, parseErr := ParseOrigins([]string{origin})
		if parseErr == nil && listed.Check(r) != nil && !strings.Contains(origin, "://*.") {
			t.Errorf("Check(Origin %q) = %v, want nil since it is listed", origin, listed.Check(r))
		}
		if err != nil {
			return
		}
		page, pageErr := url.Parse(origin)
		server, serverErr := url.Parse(scheme + "://" + host)
		if pageErr != nil || serverErr != nil {
			t.Fatalf("Check(Origin %q, Host %q) = nil, but they do not parse: %v, %v", origin, host, pageErr, serverErr)
		}
		same := page.Scheme == scheme && page.User == nil && page.Path == "" && page.RawQuery == "" &&
			sameHost(page.Hostname(), server.Hostname()) &&
			trimZeros(page.Port(), port) == trimZeros(server.Port(), port)
		if !same {
			t.Errorf("Check(Origin %q, Host %q, TLS %v) = nil, want an error", origin, host, secure)
		}
	})
}

func sameHost(a, b string) bool {
	if strings.Contains(a, ":") && strings.Contains(b, ":") {
		x, okX := parseAddr("[" + a + "]")
		y, okY := parseAddr("[" + b + "]")
		return okX && okY && x == y
	}
	return strings.EqualFold(a, b)
}

// trimZeros returns a port without leading zeros, or the default one.
func trimZeros(port, standard string) string {
	if port == "" {
		return standard
	}
	return strings.TrimLeft(port, "0")
}
