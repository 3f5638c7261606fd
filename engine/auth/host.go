package auth

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
)

// Hosts are the names under which browsers on this machine may reach the server. The zero value is localhost, 127.0.0.1
// and [::1].
//
// The check guards against DNS rebinding: if the name evil.example resolves to 127.0.0.1 after its page was loaded, the
// page has the same origin as a server on this machine. But its Host header still says evil.example.
type Hosts struct{ names []string }

// ParseHosts parses a list of additional host names, without ports. The error names the entry.
func ParseHosts(list []string) (Hosts, error) {
	var h Hosts
	for _, entry := range list {
		name := entry
		if addr, err := netip.ParseAddr(entry); err == nil && addr.Is6() {
			name = "[" + entry + "]"
		}
		name, err := parseHost(name)
		if err != nil {
			return Hosts{}, fmt.Errorf("host %s: %w", quote(entry), err)
		}
		h.names = append(h.names, name)
	}
	return h, nil
}

// Check returns nil if the request may be served under its Host header, otherwise the reason for answering 421. Only
// requests from a loopback address (peer) that did not come through a proxy are checked. The port does not matter.
func (h Hosts) Check(r *http.Request, peer netip.Addr) error {
	if !plain(peer).IsLoopback() || isProxied(r) {
		return nil
	}
	server, err := parseSite(schemeHTTP, r.Host)
	if err != nil {
		return fmt.Errorf("host %s: %w", quote(r.Host), err)
	}
	if slices.Contains([]string{"localhost", "127.0.0.1", "[::1]"}, server.host) || slices.Contains(h.names, server.host) {
		return nil
	}
	return fmt.Errorf("host %s: not localhost and not listed in server.hosts", quote(r.Host))
}
