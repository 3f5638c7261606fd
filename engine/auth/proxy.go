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
	// Addr is the client's address without zone or port: that of the socket's peer, or the one that trusted proxies name. It
	// is invalid if the peer has none (Unix sockets).
	Addr netip.Addr
	// Direct reports that the socket's peer is a loopback address and the request shows no sign of a proxy, such as the header
	// Via or X-Forwarded-Proto.
	Direct bool
	// Untrusted reports that a loopback peer is a proxy but not a trusted one: Addr is then the proxy's, not the client's, and
	// limits per address would affect all clients together.
	Untrusted bool
}

// Proxies are the trusted proxies. The zero value trusts none.
type Proxies struct{ networks []netip.Prefix }

// ParseProxies parses addresses ("10.0.0.1") and networks ("10.0.0.0/8"). The error names the entry.
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, entry := range list {
		network, err := parseNetwork(entry)
		if err != nil {
			return Proxies{}, fmt.Errorf("trusted proxy %s: %w", quote(entry), err)
		}
		p.networks = append(p.networks, network)
	}
	return p, nil
}

// errNotNetwork is the error of parseNetwork for a text that is neither.
var errNotNetwork = errors.New("not an address or network; write for example 10.0.0.1 or 10.0.0.0/8")

// parseNetwork parses a network. A single address is the network of that one address.
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
		return netip.Prefix{}, fmt.Errorf("has bits set after its prefix length; write %s", network.Masked())
	}
	return network, nil
}

// Client returns who sent the request. Headers are used only if the socket's peer is a trusted proxy. X-Forwarded-For is
// read from its right end, where the nearest proxy appends, skipping trusted addresses: the first other one is the client's,
// or the leftmost if all are trusted. X-Real-IP is used only if there is no X-Forwarded-For. If a header cannot be parsed,
// the peer is the client.
//
// Forwarded (RFC 7239) is not used for addresses: a proxy that sets only X-Forwarded-For would pass on a Forwarded header
// that the client made up.
func (p Proxies) Client(r *http.Request) Peer {
	socket := peerAddr(r)
	proxied := isProxied(r)
	trusted := p.trusts(socket)
	peer := Peer{
		Addr:      socket,
		Direct:    socket.IsLoopback() && !proxied,
		Untrusted: socket.IsLoopback() && proxied && !trusted,
	}
	if !proxied || !trusted {
		return peer
	}
	if lines, ok := r.Header["X-Forwarded-For"]; ok {
		if addr, ok := p.clientOf(lines); ok {
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

// clientOf returns the client in the lines of X-Forwarded-For, which are one list (RFC 9110, 5.3).
func (p Proxies) clientOf(lines []string) (netip.Addr, bool) {
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

// trusts reports whether addr is that of a trusted proxy.
func (p Proxies) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p.networks, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// peerAddr returns the address of the socket's peer, invalid if it has none.
func peerAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(peer.Addr())
}

// parseAddr parses an address as proxies write it: with or without a port, IPv6 with or without brackets (RFC 7239, 6.1,
// has brackets). Zones are dropped: they have a meaning on the proxy's machine only.
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
