package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Peer is who a request comes from.
type Peer struct {
	// Addr is the client's address without zone or port: the socket's peer, or what trusted proxies say. It is invalid
	// where the peer has none (Unix sockets).
	Addr netip.Addr
	// Direct is true when the socket's peer is a loopback address and no proxy has left its mark: the request has no
	// Forwarded, X-Forwarded-For or X-Real-IP header.
	Direct bool
	// Untrusted is true when a loopback peer sent such a header but is no trusted proxy: Addr is then the proxy's, not
	// the client's, and limits per address would hit all clients at once.
	Untrusted bool
}

// Proxies are the proxies that are believed. The zero value believes none.
type Proxies struct{ networks []netip.Prefix }

// ParseProxies reads addresses ("10.0.0.1") and networks ("10.0.0.0/8"). The error names the entry.
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, entry := range list {
		network, err := parseNetwork(entry)
		if err != nil {
			return Proxies{}, fmt.Errorf("auth: trusted proxy %s: %w", quote(entry), err)
		}
		p.networks = append(p.networks, network)
	}
	return p, nil
}

// errNotNetwork is what parseNetwork says of what is neither.
var errNotNetwork = errors.New("not an address or network; write for example 10.0.0.1 or 10.0.0.0/8")

// parseNetwork reads an address as the network of that one address.
func parseNetwork(entry string) (netip.Prefix, error) {
	if !strings.Contains(entry, "/") {
		addr, err := netip.ParseAddr(entry)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errNotNetwork
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(entry)
	if err != nil || network.Addr().Is4In6() {
		return netip.Prefix{}, errNotNetwork
	}
	if network != network.Masked() {
		return netip.Prefix{}, fmt.Errorf("has bits set behind its length; write %s", network.Masked())
	}
	return network, nil
}

// Client tells who sent the request. Headers are read only where the socket's peer is a trusted proxy: X-Forwarded-For
// from its right end, where the nearest proxy wrote, skipping trusted addresses; the first other one is the client's, or
// the leftmost where all are trusted. X-Real-IP counts only where there is no X-Forwarded-For. What cannot be read makes
// the peer the client.
//
// Forwarded (RFC 7239) is not read for addresses: a proxy that writes only X-Forwarded-For would pass a Forwarded header
// of the client's making along.
func (p Proxies) Client(r *http.Request) Peer {
	socket := remote(r)
	marked := forwarded(r)
	trusted := p.trusts(socket)
	peer := Peer{
		Addr:      socket,
		Direct:    socket.IsLoopback() && !marked,
		Untrusted: socket.IsLoopback() && marked && !trusted,
	}
	if !marked || !trusted {
		return peer
	}
	if lines, ok := r.Header["X-Forwarded-For"]; ok {
		if addr, ok := p.behind(lines); ok {
			peer.Addr = addr
		}
		return peer
	}
	if lines := r.Header["X-Real-Ip"]; len(lines) == 1 {
		if addr, ok := parseAddr(lines[0]); ok {
			peer.Addr = addr
		}
	}
	return peer
}

// behind finds the client in the lines of X-Forwarded-For, which are one list (RFC 9110, 5.3).
func (p Proxies) behind(lines []string) (netip.Addr, bool) {
	var addr netip.Addr
	for _, line := range slices.Backward(lines) {
		for rest, more := line, true; more; {
			var entry string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, entry = rest[:comma], rest[comma+1:]
			} else {
				entry, more = rest, false
			}
			var ok bool
			if addr, ok = parseAddr(entry); !ok {
				return netip.Addr{}, false
			}
			if !p.trusts(addr) {
				return addr, true
			}
		}
	}
	return addr, addr.IsValid()
}

// trusts tells whether addr is a proxy's that is believed.
func (p Proxies) trusts(addr netip.Addr) bool {
	for _, network := range p.networks {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// remote returns the address of the socket's peer, invalid where it has none.
func remote(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(peer.Addr())
}

// forwarded tells whether the request has a header in which proxies name the client.
func forwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if _, ok := r.Header[name]; ok {
			return true
		}
	}
	return false
}

// parseAddr reads an address as proxies write them: with or without a port, IPv6 with or without brackets (RFC 7239,
// 6.1, has brackets). Zones are dropped: they mean something on the proxy's machine only.
func parseAddr(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	if addr, err := netip.ParseAddr(text); err == nil {
		return plain(addr), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if inner, ok := strings.CutSuffix(inner, "]"); ok {
			addr, err := netip.ParseAddr(inner)
			return plain(addr), err == nil && addr.Is6()
		}
	}
	peer, err := netip.ParseAddrPort(text)
	return plain(peer.Addr()), err == nil
}
