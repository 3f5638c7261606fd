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
// It guards against DNS rebinding: a page of evil.example, whose name is made to mean 127.0.0.1 after it was loaded, is
// of the same origin as a server on this machine. But its Host header says evil.example.
type Hosts struct{ names []string }

// ParseHosts reads a list of further host names, without ports. The error names the entry.
func ParseHosts(list []string) (Hosts, error) {
	var h Hosts
	for _, entry := range list {
		name := entry
		if addr, err := netip.ParseAddr(entry); err == nil && addr.Is6() {
			name = "[" + entry + "]"
		}
		name, err := parseHost(name)
		if err != nil {
			return Hosts{}, fmt.Errorf("auth: host %s: %w", quote(entry), err)
		}
		h.names = append(h.names, name)
	}
	return h, nil
}

// Check returns nil when the request may be served under its Host, else why not: the answer is then 421. Only requests
// from a loopback address (peer) without a proxy's headers are checked, whatever port they name.
func (h Hosts) Check(r *http.Request, peer netip.Addr) error {
	if !plain(peer).IsLoopback() || forwarded(r) {
		return nil
	}
	server, err := parseSite(schemeHTTP, r.Host)
	if err != nil {
		return fmt.Errorf("auth: host %s: %w", quote(r.Host), err)
	}
	switch server.host {
	case "localhost", "127.0.0.1", "[::1]":
		return nil
	}
	if slices.Contains(h.names, server.host) {
		return nil
	}
	return fmt.Errorf("auth: host %s: not one of ours", quote(r.Host))
}
