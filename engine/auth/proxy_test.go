package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// request returns a request from a peer with headers of the form "Name: value".
func request(remoteAddr string, headers ...string) *http.Request {
	r := &http.Request{RemoteAddr: remoteAddr, Host: "localhost:8080", Header: http.Header{}}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// proxies returns the trusted proxies of a valid list.
func proxies(t *testing.T, list ...string) Proxies {
	t.Helper()
	p, err := ParseProxies(list)
	if err != nil {
		t.Fatalf("ParseProxies(%q) = %v, want no error", list, err)
	}
	return p
}

// The client's address is the peer's, unless a trusted proxy names another.
func TestClient(t *testing.T) {
	const trusted = "10.0.0.0/8 192.0.2.1 2001:db8:aa::/48 fe80::/10"
	const (
		direct    = 1 << iota // Peer.Direct
		untrusted             // Peer.Untrusted
	)
	tests := []struct {
		name    string
		trusted string
		remote  string
		headers []string
		addr    string // "" is an invalid one
		flags   int
	}{
		// No proxy is trusted.
		{"loopback, alone", "", "127.0.0.1:4", nil, "127.0.0.1", direct},
		{"loopback IPv6, alone", "", "[::1]:4", nil, "::1", direct},
		{"loopback, another of the net", "", "127.9.9.9:4", nil, "127.9.9.9", direct},
		{"loopback in IPv6 clothing", "", "[::ffff:127.0.0.1]:4", nil, "127.0.0.1", direct},
		{"public, alone", "", "203.0.113.7:4", nil, "203.0.113.7", 0},
		{"public IPv6, alone", "", "[2001:db8::7]:4", nil, "2001:db8::7", 0},
		{"public in IPv6 clothing", "", "[::ffff:203.0.113.7]:4", nil, "203.0.113.7", 0},
		{"link-local with a zone", "", "[fe80::1%eth0]:4", nil, "fe80::1", 0},
		{"Unix socket", "", "@", nil, "", 0},
		{"no peer", "", "", nil, "", 0},
		{"spoof from public", "", "203.0.113.7:4", []string{"X-Forwarded-For: 198.51.100.9"}, "203.0.113.7", 0},
		{"spoof of loopback", "", "203.0.113.7:4", []string{"X-Forwarded-For: 127.0.0.1"}, "203.0.113.7", 0},
		{"spoof by X-Real-IP", "", "203.0.113.7:4", []string{"X-Real-IP: 127.0.0.1"}, "203.0.113.7", 0},
		{"untrusted proxy", "", "127.0.0.1:4", []string{"X-Forwarded-For: 198.51.100.9"}, "127.0.0.1", untrusted},
		{"untrusted proxy, X-Real-IP", "", "[::1]:4", []string{"X-Real-IP: 198.51.100.9"}, "::1", untrusted},
		{"untrusted proxy, Forwarded", "", "127.0.0.1:4", []string{"Forwarded: for=198.51.100.9"}, "127.0.0.1", untrusted},
		{"untrusted proxy, empty header", "", "127.0.0.1:4", []string{"X-Forwarded-For: "}, "127.0.0.1", untrusted},

		// Chains.
		{"chain of 1", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 198.51.100.9"}, "198.51.100.9", 0},
		{"chain of 2, forged left", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 127.0.0.1, 198.51.100.9"}, "198.51.100.9", 0},
		{"chain of 2, trusted right", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 198.51.100.9, 10.2.2.2"}, "198.51.100.9", 0},
		{"chain of 3", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 198.51.100.9, 10.3.3.3, 192.0.2.1"}, "198.51.100.9", 0},
		{"chain of 4, forged left", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 8.8.8.8, 198.51.100.9, 10.3.3.3, 10.2.2.2"}, "198.51.100.9", 0},
		{"chain of 5, forged trusted", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 10.9.9.9, 10.8.8.8, 198.51.100.9, 10.3.3.3, 10.2.2.2"}, "198.51.100.9", 0},
		{"all are trusted", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 10.4.4.4, 10.3.3.3, 10.2.2.2"}, "10.4.4.4", 0},
		{"two lines", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 8.8.8.8, 198.51.100.9", "X-Forwarded-For: 10.2.2.2"}, "198.51.100.9", 0},
		{"two lines, client in the last", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 8.8.8.8", "X-Forwarded-For: 198.51.100.9"}, "198.51.100.9", 0},
		{"no spaces, tabs", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 8.8.8.8,\t198.51.100.9\t,10.2.2.2"}, "198.51.100.9", 0},
		{"IPv6 client", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 2001:db8::9"}, "2001:db8::9", 0},
		{"IPv6 proxies", trusted, "[2001:db8:aa::1]:4", []string{"X-Forwarded-For: 2001:db8::9, 2001:db8:aa::2"}, "2001:db8::9", 0},
		{"IPv6 client in brackets", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: [2001:db8::9]"}, "2001:db8::9", 0},
		{"IPv6 client with port", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: [2001:db8::9]:5123"}, "2001:db8::9", 0},
		{"IPv4 client with port", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 198.51.100.9:5123"}, "198.51.100.9", 0},
		{"client in IPv6 clothing", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: ::ffff:198.51.100.9"}, "198.51.100.9", 0},
		{"trusted in IPv6 clothing", trusted, "[::ffff:10.1.1.1]:4", []string{"X-Forwarded-For: 198.51.100.9, ::ffff:10.2.2.2"}, "198.51.100.9", 0},
		{"client with a zone", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 2001:db8::9%eth0"}, "2001:db8::9", 0},
		{"trusted with a zone", trusted, "[fe80::5%eth0]:4", []string{"X-Forwarded-For: 198.51.100.9, fe80::6%eth1"}, "198.51.100.9", 0},
		{"forged loopback is not direct", "127.0.0.1", "127.0.0.1:4", []string{"X-Forwarded-For: 127.0.0.1"}, "127.0.0.1", 0},
		{"trusted loopback proxy", "127.0.0.1", "127.0.0.1:4", []string{"X-Forwarded-For: 198.51.100.9"}, "198.51.100.9", 0},
		{"trusted loopback, no header", "127.0.0.1", "127.0.0.1:4", nil, "127.0.0.1", direct},
		{"trusted IPv6 loopback only", "::1", "127.0.0.1:4", []string{"X-Forwarded-For: 198.51.100.9"}, "127.0.0.1", untrusted},

		// Garbage makes the peer the client.
		{"unknown", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: unknown"}, "10.1.1.1", 0},
		{"hidden name", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 8.8.8.8, _proxy"}, "10.1.1.1", 0},
		{"garbage behind trusted", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 8.8.8.8, x, 10.2.2.2"}, "10.1.1.1", 0},
		{"garbage before the client", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: <script>, 198.51.100.9"}, "198.51.100.9", 0},
		{"empty", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: "}, "10.1.1.1", 0},
		{"empty entry", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 8.8.8.8,, 10.2.2.2"}, "10.1.1.1", 0},
		{"trailing comma", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 8.8.8.8,"}, "10.1.1.1", 0},
		{"leading zeros", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 198.051.100.009"}, "10.1.1.1", 0},
		{"a network", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 198.51.100.0/24"}, "10.1.1.1", 0},
		{"port out of range", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: 198.51.100.9:99999"}, "10.1.1.1", 0},
		{"IPv4 in brackets", trusted, "10.1.1.1:4", []string{"X-Forwarded-For: [198.51.100.9]"}, "10.1.1.1", 0},

		// Other headers.
		{"X-Real-IP alone", trusted, "10.1.1.1:4", []string{"X-Real-IP: 198.51.100.9"}, "198.51.100.9", 0},
		{"X-Real-IP in IPv6", trusted, "10.1.1.1:4", []string{"X-Real-IP: 2001:db8::9"}, "2001:db8::9", 0},
		{"X-Real-IP beside X-Forwarded-For", trusted, "10.1.1.1:4", []string{"X-Real-IP: 8.8.8.8", "X-Forwarded-For: 198.51.100.9"}, "198.51.100.9", 0},
		{"X-Real-IP beside garbage", trusted, "10.1.1.1:4", []string{"X-Real-IP: 8.8.8.8", "X-Forwarded-For: x"}, "10.1.1.1", 0},
		{"X-Real-IP twice", trusted, "10.1.1.1:4", []string{"X-Real-IP: 8.8.8.8", "X-Real-IP: 198.51.100.9"}, "10.1.1.1", 0},
		{"X-Real-IP is garbage", trusted, "10.1.1.1:4", []string{"X-Real-IP: localhost"}, "10.1.1.1", 0},
		{"Forwarded is not read", trusted, "10.1.1.1:4", []string{"Forwarded: for=8.8.8.8"}, "10.1.1.1", 0},
		{"Forwarded beside X-Forwarded-For", trusted, "10.1.1.1:4", []string{"Forwarded: for=8.8.8.8", "X-Forwarded-For: 198.51.100.9"}, "198.51.100.9", 0},
		{"peer just outside the network", trusted, "11.0.0.0:4", []string{"X-Forwarded-For: 198.51.100.9"}, "11.0.0.0", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := proxies(t, strings.Fields(test.trusted)...).Client(request(test.remote, test.headers...))
			want := Peer{Direct: test.flags&direct != 0, Untrusted: test.flags&untrusted != 0}
			if test.addr != "" {
				want.Addr = netip.MustParseAddr(test.addr)
			}
			if got != want {
				t.Errorf("Client(%s %q), trusting %q = %+v, want %+v", test.remote, test.headers, test.trusted, got, want)
			}
		})
	}
}

// Whatever header a proxy adds, a request with it does not pass for one of this machine; other headers do not matter.
func TestProxied(t *testing.T) {
	for _, name := range []string{
		"Via", "Forwarded", "CDN-Loop", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
		"X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded", "X-Real-IP", "X-Real-Port", "X-Client-IP", "Client-IP",
		"X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Ray", "CF-Visitor", "Fly-Client-IP", "Fly-Region",
		"Fastly-Client-IP", "X-Envoy-External-Address", "X-Envoy-Expected-Rq-Timeout-Ms", "X-Amzn-Trace-Id", "X-Amz-Cf-Id",
		"CloudFront-Viewer-Address", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-Appengine-User-IP", "X-Original-Forwarded-For",
		"X-Original-Host", "X-ARR-SSL", "X-Vercel-Id", "X-Nf-Client-Connection-Ip", "Incap-Client-IP", "Do-Connecting-IP",
		"WL-Proxy-Client-IP", "Proxy-Client-IP", "X-ProxyUser-Ip", "X-NginX-Proxy", "X-Scheme", "Front-End-Https", "X-Varnish",
		"Tailscale-User-Login", "X-Request-Start", "X-Request-ID", "Remote-Addr", "X-Remote-IP", "Client-Cert",
	} {
		got := Proxies{}.Client(request("127.0.0.1:4", name+": 1"))
		if got.Direct || !got.Untrusted {
			t.Errorf("Client(%s) = %+v, want one behind an untrusted proxy", name, got)
		}
	}
	own := request("127.0.0.1:4", "Authorization: Bearer x", "Accept: */*", "Accept-Encoding: gzip", "Cookie: a=b", "Origin: http://localhost",
		"Sec-WebSocket-Key: x", "Sec-Fetch-Site: same-origin", "Traceparent: x", "User-Agent: x", "X-Requested-With: x", "X-Zip: 1",
		"Content-Type: x", "X-Prometheus-Scrape-Timeout-Seconds: 10", "Priority: u=0", "DNT: 1", "Te: trailers", "X-Api-Key: x")
	if got := (Proxies{}).Client(own); !got.Direct {
		t.Errorf("Client(%v) = %+v, want a direct peer", own.Header, got)
	}
	for minor, direct := range []bool{false, true} {
		r := request("127.0.0.1:4")
		r.ProtoMajor, r.ProtoMinor = 1, minor
		if got := (Proxies{}).Client(r); got.Direct != direct {
			t.Errorf("Client(HTTP/1.%d) = %+v, want Direct %v", minor, got, direct)
		}
	}
}

// A list of proxies accepts addresses and networks and nothing else, and the error quotes the entry.
func TestParseProxies(t *testing.T) {
	for _, entry := range []string{"10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "::ffff:10.0.0.1", "0.0.0.0/0"} {
		if _, err := ParseProxies([]string{entry}); err != nil {
			t.Errorf("ParseProxies(%q) = %v, want no error", entry, err)
		}
	}
	bad := []string{
		"", "localhost", "10.0.0.1:80", "10.0.0.0/33", "10.0.0.1/8", "10.0.0", "fe80::1%eth0", "fe80::%eth0/10",
		"[::1]", "::ffff:10.0.0.0/104", "*", " 10.0.0.1",
	}
	for _, entry := range bad {
		_, err := ParseProxies([]string{"10.0.0.1", entry})
		if err == nil || !strings.Contains(err.Error(), quote(entry)) {
			t.Errorf("ParseProxies(%q) = %v, want an error that quotes it", entry, err)
		}
	}
	_, err := ParseProxies([]string{"10.1.2.3/8"})
	if err == nil || !strings.Contains(err.Error(), "write 10.0.0.0/8") {
		t.Errorf("ParseProxies(10.1.2.3/8) = %v, want an error that says write 10.0.0.0/8", err)
	}
}

// Whatever a header contains, a peer that is not trusted is the client, and a client has a plain address that is in the
// header or is the peer's.
func FuzzForwardedFor(f *testing.F) {
	f.Add("198.51.100.9", "", "10.1.1.1:4")
	f.Add("8.8.8.8, 10.2.2.2", "198.51.100.9:80, [2001:db8::1]:443", "10.1.1.1:4")
	f.Add("::ffff:10.0.0.1, fe80::1%eth0,", "unknown", "[::ffff:10.1.1.1]:4")
	f.Add(",,,", "[::1", "127.0.0.1:4")
	f.Fuzz(func(t *testing.T, first, second, remoteAddr string) {
		r := request(remoteAddr)
		r.Header["X-Forwarded-For"] = []string{first, second}
		socket := peerAddr(r)
		if got := (Proxies{}).Client(r).Addr; got != socket {
			t.Errorf("Client(%q %q %q), trusting none = %v, want %v", remoteAddr, first, second, got, socket)
		}
		p := proxies(t, "10.0.0.0/8", "2001:db8::/32")
		got := p.Client(r).Addr
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("Client(%q %q %q) = %v, want a plain address", remoteAddr, first, second, got)
		}
		if got == socket {
			return
		}
		if !p.trusts(socket) {
			t.Errorf("Client(%q %q %q) = %v, want the peer, which is not trusted", remoteAddr, first, second, got)
		}
		entries := strings.Split(first+","+second, ",")
		if !slices.ContainsFunc(entries, func(e string) bool { a, ok := parseAddr(e); return ok && a == got }) {
			t.Errorf("Client(%q %q %q) = %v, want one that stands there", remoteAddr, first, second, got)
		}
	})
}
