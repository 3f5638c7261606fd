package broker

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
)

// Retry-After of refused requests, in seconds.
const (
	retryAfterRate      = 1
	retryAfterStop      = 5
	retryAfterFull      = 5
	retryAfterAddresses = 30 // an address has too many connections
)

// Reasons why requests are refused, as in Counts.Refused.
const (
	reasonHandshake = "handshake"
	reasonHost      = "host"
	reasonOrigin    = "origin"
	reasonAddress   = "address"
	reasonFull      = "full"
	reasonConnect   = "connect"
	reasonStopping  = "stopping"
)

// httpError is an HTTP answer instead of an upgrade.
type httpError struct {
	reason     string
	status     int
	text       string
	retryAfter int      // seconds; 0 leaves the header out
	header     []string // further header fields, name and value by turns
}

func (e *httpError) write(w http.ResponseWriter) {
	header := w.Header()
	if e.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(e.retryAfter))
		header.Set("Connection", "close")
	}
	for field := range slices.Chunk(e.header, 2) {
		header.Set(field[0], field[1])
	}
	http.Error(w, e.text, e.status)
}

// ServeHTTP upgrades a request, whatever its path, to a WebSocket. It returns once Handler.Connect has decided; the connection has a
// goroutine of its own. The request must come through [Broker.Listener]. Of the subprotocols that a client offers, perigee.v1 is
// selected, or else the first of Options.Protocols, and of the extensions compression.
//
// A request is refused, in this order, with 503 while the server stops, 405 for methods other than GET, 426 if it does not
// ask for a WebSocket, 421 for a foreign host, 403 for a foreign origin, 429 above the limits of an address, 400 for a bad
// handshake, and as Handler.Connect says, which a client that can resume connections hears as a close code. If the server is full,
// the client is upgraded, told so, and closed with 1013; if too many clients are being told, the answer is 503.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer := b.peer(r)
	full, refused := b.admit(r, peer)
	if refused != nil {
		b.increment(b.refused, refused.reason)
		refused.write(w)
		return
	}
	defer b.tasks.Done()
	if full {
		b.rejectFull(w, r, peer)
		return
	}
	offered := offeredProtocols(r.Header)
	request := handshake.Read(r, visibleProtocols(offered), selectProtocol(offered, b.settings().Protocols))
	if refused = b.callConnect(w, r, request, peer); refused != nil {
		b.refuse(w, r, request, peer, refused)
		return
	}
	if request.Protocol == "" && len(offered) > 0 {
		b.logUnknownProtocols(offered)
	}
	b.connect(w, r, request, peer)
}

// admit counts a request against all limits, or refuses it. If it does not refuse it, the caller must call tasks.Done, and
// either release or, if the server is full, releaseRejected.
func (b *Broker) admit(r *http.Request, peer auth.Peer) (full bool, refused *httpError) {
	if refused = b.check(r, peer); refused != nil {
		return false, refused
	}
	if refused = b.acquireAddress(peer); refused != nil {
		return false, refused
	}
	if full, refused = b.acquireSlot(); refused != nil {
		b.releaseAddress(peer)
	}
	if full || refused != nil && refused.reason == reasonFull {
		b.refusals.Log("server.max_connections", b.settings().MaxConnections, "peer", peer.Addr)
	}
	return full, refused
}

// CheckRequest returns who sent a request that does not ask for a WebSocket. If the request must not be served, it answers,
// with 421 for a foreign host and 403 for a foreign origin, and returns false.
func (b *Broker) CheckRequest(w http.ResponseWriter, r *http.Request) (peer auth.Peer, ok bool) {
	peer = b.peer(r)
	if refused := b.checkSite(r, peer); refused != nil {
		refused.write(w)
		return peer, false
	}
	return peer, true
}

// peer returns who sent a request.
func (b *Broker) peer(r *http.Request) auth.Peer {
	peer := b.settings().Proxies.Client(r)
	if peer.Untrusted {
		b.proxyLog.Do(func() {
			b.log.Warn("broker: a proxy on this machine is not trusted, so all its clients have its address", "setting", "server.trusted_proxies")
		})
	}
	return peer
}

// check returns why a request must not become a connection, as far as the request shows it.
func (b *Broker) check(r *http.Request, peer auth.Peer) *httpError {
	b.mu.Lock()
	stopping := b.stopReason != nil
	b.mu.Unlock()
	switch {
	case stopping:
		return errorStopping()
	case r.Method != http.MethodGet:
		return &httpError{
			reason: reasonHandshake, status: http.StatusMethodNotAllowed, text: "only GET", header: []string{"Allow", http.MethodGet},
		}
	case !websocket.IsWebSocketUpgrade(r):
		// RFC 9110, 15.5.22: the answer names the protocol that is needed.
		return &httpError{
			reason: reasonHandshake, status: http.StatusUpgradeRequired, text: b.whyNoUpgrade(r),
			header: []string{"Upgrade", "websocket", "Connection", "Upgrade"},
		}
	case r.ContentLength != 0: // -1 if it is not known beforehand
		return &httpError{
			reason: reasonHandshake, status: http.StatusBadRequest, text: "a handshake has no body", header: []string{"Connection", "close"},
		}
	case len(r.Header.Values("Sec-WebSocket-Key")) > 1: // RFC 6455, 11.3.1
		return &httpError{reason: reasonHandshake, status: http.StatusBadRequest, text: "a handshake has one Sec-WebSocket-Key"}
	}
	return b.checkSite(r, peer)
}

// whyNoUpgrade returns what is wrong with a request that does not ask for an upgrade. If it has the key of a WebSocket client, a
// proxy has dropped Upgrade and Connection, which go only to the next hop (RFC 9110, 7.6.1). That is logged once.
func (b *Broker) whyNoUpgrade(r *http.Request) string {
	if r.Header.Get("Sec-WebSocket-Key") == "" {
		return "this is a WebSocket server"
	}
	b.upgradeLog.Do(func() {
		proxy, _, _ := net.SplitHostPort(r.RemoteAddr) // empty for a Unix socket
		b.log.Warn("broker: a proxy does not pass on that a client asks for a WebSocket", "proxy", proxy,
			"remedy", "the proxy must pass on the headers Upgrade and Connection; in nginx: "+
				`proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`)
	})
	return "a proxy does not pass on the headers Upgrade and Connection of this WebSocket"
}

// checkSite returns why the page that a request comes from, if any, must not reach this server.
func (b *Broker) checkSite(r *http.Request, peer auth.Peer) *httpError {
	if err := b.settings().Hosts.Check(r, peer.Addr); err != nil {
		b.logRefused(peer, "server.hosts", err)
		return &httpError{reason: reasonHost, status: http.StatusMisdirectedRequest, text: "host not served here"}
	}
	if err := b.settings().Origins.Check(r); err != nil {
		b.logRefused(peer, "server.origins", err)
		return &httpError{reason: reasonOrigin, status: http.StatusForbidden, text: "origin not allowed"}
	}
	return nil
}

// logRefused logs which setting would admit a refused client, at most once a second.
func (b *Broker) logRefused(peer auth.Peer, setting string, err error) {
	if line := b.throttle.Allow("refused", time.Now()); line.Allowed {
		b.log.Warn("broker: refusing a connection", "peer", peer.Addr, "setting", setting, "error", err, "suppressed", line.Suppressed)
	}
}

func errorStopping() *httpError {
	return &httpError{
		reason: reasonStopping, status: http.StatusServiceUnavailable, text: "server shutting down", retryAfter: retryAfterStop,
	}
}

// isLimited reports whether the limits of one address apply to a client. They do not apply to loopback addresses: behind a
// proxy that is not trusted, all clients have one.
func isLimited(peer auth.Peer) bool { return peer.Addr.IsValid() && !peer.Addr.IsLoopback() }

// acquireAddress counts a connection against the limits of its address. If it returns nil, the caller must call
// releaseAddress.
func (b *Broker) acquireAddress(peer auth.Peer) *httpError {
	if !isLimited(peer) {
		return nil
	}
	limits := &b.settings().Limits
	if !b.limiter.Allow(peer.Addr, b.clock()) {
		b.refusals.Log("limits.connects_per_second_per_ip", limits.ConnectsPerSecondPerIP, "peer", peer.Addr)
		return &httpError{
			reason: reasonAddress, status: http.StatusTooManyRequests, text: "too many new connections from your address",
			retryAfter: retryAfterRate,
		}
	}
	if !b.limiter.Acquire(peer.Addr, limits.ConnectionsPerIP) {
		b.refusals.Log("limits.connections_per_ip", limits.ConnectionsPerIP, "peer", peer.Addr)
		return &httpError{
			reason: reasonAddress, status: http.StatusTooManyRequests, text: "too many connections from your address",
			retryAfter: retryAfterAddresses,
		}
	}
	return nil
}

// releaseAddress undoes acquireAddress.
func (b *Broker) releaseAddress(peer auth.Peer) {
	if isLimited(peer) {
		b.limiter.Release(peer.Addr)
	}
}

// acquireSlot counts a connection, or one that is told that the server is full, or refuses to do either. Unless it
// refuses, the caller must call tasks.Done.
func (b *Broker) acquireSlot() (full bool, refused *httpError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	limit := b.settings().MaxConnections
	switch {
	case b.stopReason != nil:
		return false, errorStopping()
	case limit <= 0 || b.count < limit:
		b.count++
	case b.mayReject():
		b.rejecting++
		full = true
	default:
		return false, &httpError{
			reason: reasonFull, status: http.StatusServiceUnavailable, text: "server is full", retryAfter: retryAfterFull,
		}
	}
	b.tasks.Add(1)
	return full, nil
}

// allowOrigin replaces gorilla's check of the origin, which is laxer than the one in checkSite.
func allowOrigin(*http.Request) bool { return true }

// connect upgrades a request and starts the reader.
func (b *Broker) connect(w http.ResponseWriter, r *http.Request, request *handshake.Request, peer auth.Peer) {
	compress := b.settings().Compression && offersDeflate(r.Header)
	ws, s := b.upgrade(w, r, request.Protocol, compress)
	if s == nil {
		b.release(peer)
		return
	}
	if compress {
		s.scanner = &frameScanner{}
	}
	resume := readResumeRequest(r.Header)
	c := &conn{
		request: request, peer: peer, opened: b.clock(), broker: b, socket: s, resumable: resume.Resumable, nextPing: b.firstPing(),
	}
	if resume.Token != "" {
		c.resume = &resume
	}
	s.conn.Store(c)
	s.limitKernelBuffer()
	b.pending.remove(s)
	b.out.Join(&c.Sender, s.Conn, (*transport)(c), outbox.Features{Compress: compress, Resumable: c.resumable})
	b.mu.Lock()
	stopReason := b.stopReason
	b.mu.Unlock()
	if stopReason != nil {
		c.Close(*stopReason)
	}
	b.tasks.Go(newReader(c, ws, compress).run)
}

// logUnknownProtocols logs once that a client offers only subprotocols that the server does not know. Long ones may be secrets.
func (b *Broker) logUnknownProtocols(offered []string) {
	const longest = 24 // bytes
	b.protocolLog.Do(func() {
		name := offered[0]
		if len(name) > longest {
			name = "a long one"
		}
		b.log.Warn("broker: a client offers only subprotocols that the server does not select, and browsers then give up the connection",
			"offered", name, "setting", "server.protocols")
	})
}

// upgrade answers the handshake, selects a subprotocol unless that is "", and accepts compression if compress is set. If that fails,
// the socket is nil.
func (b *Broker) upgrade(w http.ResponseWriter, r *http.Request, protocol string, compress bool) (*websocket.Conn, *socket) {
	upgrader := b.upgrader
	if compress {
		upgrader.EnableCompression = true
		r.Header[extensionsHeader] = []string{deflateExtension} // gorilla must find the offer that offersDeflate found
	}
	answer := http.Header{}
	if protocol != "" {
		answer.Set(handshake.ProtocolHeader, protocol) // gorilla answers what is set here
	}
	ws, err := upgrader.Upgrade(w, r, answer)
	if err != nil {
		b.increment(b.refused, reasonHandshake)
		b.log.Debug("broker: the handshake failed", "error", err)
		return nil, nil
	}
	s, ok := ws.NetConn().(*socket)
	if !ok {
		b.log.Error("broker: a connection did not come through the broker's listener")
		_ = ws.Close() // nothing was written to it
		return nil, nil
	}
	s.scanner = nil
	return ws, s
}
