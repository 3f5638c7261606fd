package fetch

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
)

// redirects records the redirects of one request.
type redirects struct {
	followed atomic.Bool // there was one
	// startedPrivate is set if the first URL led to a private address: then the script wants a private address, and redirects
	// to others are allowed.
	startedPrivate atomic.Bool
}

type redirectsKey struct{}

// trackRedirects returns a context in which a request records its redirects.
func (c *Client) trackRedirects(ctx context.Context) context.Context {
	r := &redirects{}
	ctx = context.WithValue(ctx, redirectsKey{}, r)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if !r.followed.Load() {
				addr, ok := addrOf(info.Conn.RemoteAddr().String())
				r.startedPrivate.Store(ok && c.isPrivate(addr))
			}
		},
	})
}

// checkRedirect returns an error if a redirect must not be followed. It does not check the address.
func (c *Client) checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirects
	}
	if next.URL.Scheme != "http" && next.URL.Scheme != "https" {
		return errScheme
	}
	if r, ok := next.Context().Value(redirectsKey{}).(*redirects); ok {
		r.followed.Store(true)
	}
	return nil
}

// RoundTrip implements http.RoundTripper. It chooses the transport that a request may use.
func (c *Client) RoundTrip(request *http.Request) (*http.Response, error) {
	r, ok := request.Context().Value(redirectsKey{}).(*redirects)
	if ok && (!r.followed.Load() || r.startedPrivate.Load() || c.options.RedirectsToPrivate) {
		return c.unrestricted.RoundTrip(request)
	}
	return c.publicOnly.RoundTrip(request)
}

// checkAddress refuses private addresses. It is called with the address that will be dialled, after the name has been resolved, so
// that a name that resolves differently each time cannot bypass it (DNS rebinding).
func (c *Client) checkAddress(_, address string, _ syscall.RawConn) error {
	if addr, ok := addrOf(address); !ok || c.isPrivate(addr) {
		return errPrivate
	}
	return nil
}

func addrOf(hostPort string) (netip.Addr, bool) {
	addr, err := netip.ParseAddrPort(hostPort)
	return addr.Addr(), err == nil
}

// IsPrivate reports whether an address is not part of the public internet: it belongs to this machine or a private network, or has
// a special purpose.
func IsPrivate(addr netip.Addr) bool {
	addr = embedded(addr.WithZone("").Unmap())
	special := specialNetworks()
	return !addr.IsGlobalUnicast() || slices.ContainsFunc(special[:], func(n netip.Prefix) bool { return n.Contains(addr) })
}

// specialNetworks returns the networks of the IANA special-purpose registries (RFC 6890) that are not globally reachable.
func specialNetworks() [21]netip.Prefix {
	v4 := func(a, b, c byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c}), bits)
	}
	v6 := func(a, b, c, d byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{a, b, c, d}), bits)
	}
	return [...]netip.Prefix{
		v4(0, 0, 0, 8),                 // this network, RFC 791
		v4(10, 0, 0, 8),                // private, RFC 1918
		v4(100, 64, 0, 10),             // shared by the customers of a provider (CGNAT), RFC 6598
		v4(127, 0, 0, 8),               // loopback, RFC 1122
		v4(169, 254, 0, 16),            // link-local, RFC 3927; has the metadata services of clouds
		v4(172, 16, 0, 12),             // private, RFC 1918
		v4(192, 0, 0, 24),              // protocol assignments, RFC 6890
		v4(192, 0, 2, 24),              // documentation, RFC 5737
		v4(192, 168, 0, 16),            // private, RFC 1918
		v4(198, 18, 0, 15),             // benchmarks, RFC 2544
		v4(198, 51, 100, 24),           // documentation, RFC 5737
		v4(203, 0, 113, 24),            // documentation, RFC 5737
		v4(240, 0, 0, 4),               // reserved, and broadcast, RFC 1112
		v6(0x01, 0x00, 0, 0, 64),       // discard, RFC 6666
		v6(0x20, 0x01, 0x0d, 0xb8, 32), // documentation, RFC 3849
		v6(0, 0, 0, 0, 96),             // loopback, and IPv4-compatible addresses, RFC 4291
		v6(0, 0x64, 0xff, 0x9b, 32),    // local-use NAT64, RFC 8215
		v6(0x20, 0x01, 0, 0, 32),       // Teredo, RFC 4380
		v6(0xfc, 0x00, 0, 0, 7),        // unique local, RFC 4193
		v6(0xfe, 0x80, 0, 0, 10),       // link-local, RFC 4291
		v6(0xfe, 0xc0, 0, 0, 10),       // site-local, RFC 3879
	}
}

// embedded returns the IPv4 address in an IPv6 address that gateways translate. It returns other addresses as they are.
func embedded(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case [12]byte(b[:12]) == [12]byte{0x00, 0x64, 0xff, 0x9b}: // NAT64, RFC 6052
		return netip.AddrFrom4([4]byte(b[12:]))
	case b[0] == 0x20 && b[1] == 0x02: // 6to4, RFC 3056
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}
