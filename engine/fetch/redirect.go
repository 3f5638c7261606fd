package fetch

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// path is the way of one request through its redirects.
type path struct {
	redirected atomic.Bool
	// The first URL led to a private address: whoever wrote it wants to be there, and may be sent on.
	private atomic.Bool
}

type pathKey struct{}

// follow has a request remember where it goes.
func (c *Client) follow(ctx context.Context) context.Context {
	p := &path{}
	ctx = context.WithValue(ctx, pathKey{}, p)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if !p.redirected.Load() {
				addr, ok := addrOf(info.Conn.RemoteAddr().String())
				p.private.Store(ok && c.isPrivate(addr))
			}
		},
	})
}

// redirect decides whether a request goes where it is sent.
func (c *Client) redirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirects
	}
	if next.URL.Scheme != "http" && next.URL.Scheme != "https" {
		return errScheme
	}
	if p, ok := next.Context().Value(pathKey{}).(*path); ok {
		p.redirected.Store(true)
	}
	return nil
}

// RoundTrip picks the connections that a request may use. It is for net/http.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	p, ok := r.Context().Value(pathKey{}).(*path)
	if ok && (!p.redirected.Load() || p.private.Load() || c.options.RedirectsToPrivate) {
		return c.open.RoundTrip(r)
	}
	return c.guarded.RoundTrip(r)
}

// control refuses private addresses. It sees the address that is about to be dialled, after the name was looked up, so
// that a name which means something else each time it is asked for does not lead around it.
func (c *Client) control(_, address string, _ syscall.RawConn) error {
	if addr, ok := addrOf(address); !ok || c.isPrivate(addr) {
		return errPrivate
	}
	return nil
}

func addrOf(hostPort string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	return addr, err == nil
}

// IsPrivate tells whether an address is none of the public internet: of this machine, of a network of one's own, or for
// a special purpose.
func IsPrivate(addr netip.Addr) bool {
	addr = embedded(addr.WithZone("").Unmap())
	for _, special := range specialNetworks() {
		if special.Contains(addr) {
			return true
		}
	}
	return !addr.IsGlobalUnicast()
}

// specialNetworks are those of the IANA special-purpose registries (RFC 6890) that are not globally reachable.
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
		v4(169, 254, 0, 16),            // link-local, RFC 3927; clouds tell secrets there
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
		v6(0, 0, 0, 0, 96),             // loopback, and what IPv4 was once written as, RFC 4291
		v6(0, 0x64, 0xff, 0x9b, 32),    // NAT64 of a network of one's own, RFC 8215
		v6(0x20, 0x01, 0, 0, 32),       // Teredo, RFC 4380
		v6(0xfc, 0x00, 0, 0, 7),        // unique local, RFC 4193
		v6(0xfe, 0x80, 0, 0, 10),       // link-local, RFC 4291
		v6(0xfe, 0xc0, 0, 0, 10),       // site-local, RFC 3879
	}
}

// embedded returns the IPv4 address that an IPv6 address stands for, if it is one of those that gateways translate.
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
