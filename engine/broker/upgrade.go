package broker

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// What refused clients are told to wait, in seconds.
const (
	afterRate   = 1
	afterStop   = 5
	afterFull   = 5
	afterOthers = 30 // of the same address
)

// minRefusing is how many clients at least may be told at once, through WebSockets, that the server is full.
const minRefusing = 16

// Why requests do not become connections, as Counts names it.
const (
	badHandshake   = "handshake"
	foreignHost    = "host"
	foreignOrigin  = "origin"
	tooManyOfOne   = "address"
	serverIsFull   = "full"
	serverStopping = "stopping"
)

func refusals() []string {
	return []string{badHandshake, foreignHost, foreignOrigin, tooManyOfOne, serverIsFull, serverStopping}
}

// refusal is an HTTP answer instead of an upgrade.
type refusal struct {
	reason string
	status int
	text   string
	after  int      // seconds for Retry-After; 0 leaves it out
	header []string // further header fields, name and value by turns
}

func (n *refusal) answer(w http.ResponseWriter) {
	header := w.Header()
	if n.after > 0 {
		header.Set("Retry-After", strconv.Itoa(n.after))
		header.Set("Connection", "close")
	}
	for field := range slices.Chunk(n.header, 2) {
		header.Set(field[0], field[1])
	}
	http.Error(w, n.text, n.status)
}

// ServeHTTP upgrades a request, whatever its path, to a WebSocket. It returns at once: the connection lives on by
// itself. The request must come through the broker's [Broker.Listener]. Subprotocols and extensions are not offered.
//
// A request is refused, in this order, with 503 while the server stops, 405 for methods other than GET, 426 where it
// does not ask for a WebSocket, 421 for a foreign host, 403 for a foreign origin, 429 over the limits of an address, and
// 400 for a bad handshake. When the server is full the client is upgraded, told so, and closed with 1013; 503 when too
// many are being told.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer := b.peer(r)
	full, no := b.admit(r, peer)
	if no != nil {
		b.tally(b.refused, no.reason)
		no.answer(w)
		return
	}
	defer b.tasks.Done()
	if full {
		b.turnAway(w, r, peer)
		return
	}
	b.connect(w, r, peer)
}

// admit counts a request against all limits, or refuses it. Where it does not, a tasks.Done is due, and a release, or a
// turnedAway where the server is full.
func (b *Broker) admit(r *http.Request, peer auth.Peer) (full bool, no *refusal) {
	if no = b.check(r, peer); no != nil {
		return false, no
	}
	if no = b.enter(peer); no != nil {
		return false, no
	}
	if full, no = b.reserve(); no != nil {
		b.leave(peer)
	}
	return full, no
}

// Visitor tells who sent a request that is none for a WebSocket. One that is not to be served is answered, and Visitor
// returns false: 421 for a foreign host, 403 for a foreign origin. Any goroutine may call it.
func (b *Broker) Visitor(w http.ResponseWriter, r *http.Request) (peer auth.Peer, ok bool) {
	peer = b.peer(r)
	if no := b.checkSite(r, peer); no != nil {
		no.answer(w)
		return peer, false
	}
	return peer, true
}

// peer tells who sent a request.
func (b *Broker) peer(r *http.Request) auth.Peer {
	peer := b.settings().Proxies.Client(r)
	if peer.Untrusted {
		b.proxyLog.Do(func() {
			b.log.Warn("broker: a proxy on this machine is not trusted: clients have its address", "setting", "server.trusted_proxies")
		})
	}
	return peer
}

// check returns why a request must not become a connection, as far as that shows in the request.
func (b *Broker) check(r *http.Request, peer auth.Peer) *refusal {
	b.mu.Lock()
	stopping := b.ending != nil
	b.mu.Unlock()
	switch {
	case stopping:
		return refuseStopping()
	case r.Method != http.MethodGet:
		return &refusal{
			reason: badHandshake, status: http.StatusMethodNotAllowed, text: "only GET", header: []string{"Allow", http.MethodGet},
		}
	case !websocket.IsWebSocketUpgrade(r):
		// RFC 9110, 15.5.22: the answer names the protocol that is needed.
		return &refusal{
			reason: badHandshake, status: http.StatusUpgradeRequired, text: "this is a WebSocket server",
			header: []string{"Upgrade", "websocket", "Connection", "Upgrade"},
		}
	}
	return b.checkSite(r, peer)
}

// checkSite returns why the page that a request comes from, if any, must not reach this server.
func (b *Broker) checkSite(r *http.Request, peer auth.Peer) *refusal {
	if err := b.settings().Hosts.Check(r, peer.Addr); err != nil {
		b.logRefused(peer, "server.hosts", err)
		return &refusal{reason: foreignHost, status: http.StatusMisdirectedRequest, text: "host not served here"}
	}
	if err := b.settings().Origins.Check(r); err != nil {
		b.logRefused(peer, "server.origins", err)
		return &refusal{reason: foreignOrigin, status: http.StatusForbidden, text: "origin not allowed"}
	}
	return nil
}

// logRefused tells the operator which setting would let a refused client in, at most once a second.
func (b *Broker) logRefused(peer auth.Peer, setting string, err error) {
	if line := b.throttle.Allow("refused", time.Now()); line.Allowed {
		b.log.Warn("broker: refusing a connection", "peer", peer.Addr, "setting", setting, "error", err, "suppressed", line.Suppressed)
	}
}

func refuseStopping() *refusal {
	return &refusal{reason: serverStopping, status: http.StatusServiceUnavailable, text: "server shutting down", after: afterStop}
}

// isLimited tells whether the limits of one address hold for a client. Loopback is excepted: behind a proxy that is not
// trusted it is the address of every client.
func isLimited(peer auth.Peer) bool { return peer.Addr.IsValid() && !peer.Addr.IsLoopback() }

// enter counts a connection against the limits of its address. Where it returns nil, leave is due.
func (b *Broker) enter(peer auth.Peer) *refusal {
	if !isLimited(peer) {
		return nil
	}
	if !b.limiter.Allow(peer.Addr, b.clock()) {
		return &refusal{
			reason: tooManyOfOne, status: http.StatusTooManyRequests, text: "too many new connections from your address", after: afterRate,
		}
	}
	if !b.limiter.Acquire(peer.Addr, b.settings().Limits.ConnectionsPerIP) {
		return &refusal{
			reason: tooManyOfOne, status: http.StatusTooManyRequests, text: "too many connections from your address", after: afterOthers,
		}
	}
	return nil
}

// leave ends what enter began.
func (b *Broker) leave(peer auth.Peer) {
	if isLimited(peer) {
		b.limiter.Release(peer.Addr)
	}
}

// reserve counts a connection, or one that is told that the server is full, or refuses to do either. Unless it refuses,
// a tasks.Done is due.
func (b *Broker) reserve() (full bool, no *refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	limit := b.settings().MaxConnections
	switch {
	case b.ending != nil:
		return false, refuseStopping()
	case limit <= 0 || b.count < limit:
		b.count++
	case b.refusing < max(minRefusing, limit/10):
		b.refusing++
		full = true
	default:
		return false, &refusal{reason: serverIsFull, status: http.StatusServiceUnavailable, text: "server is full", after: afterFull}
	}
	b.tasks.Add(1)
	return full, nil
}

// checkedBefore stands in for gorilla's check of the origin, which is laxer than the one in check.
func checkedBefore(*http.Request) bool { return true }

// connect upgrades a request and starts the reader.
func (b *Broker) connect(w http.ResponseWriter, r *http.Request, peer auth.Peer) {
	ws, s := b.upgrade(w, r)
	if s == nil {
		b.release(peer)
		return
	}
	c := &conn{peer: peer, opened: b.clock(), broker: b, socket: s, nextPing: b.firstPing()}
	s.conn.Store(c)
	b.waiting.leave(s)
	b.out.Join(&c.line, s.Conn, (*recipient)(c))
	b.mu.Lock()
	ending := b.ending
	b.mu.Unlock()
	if ending != nil {
		c.Close(*ending)
	}
	b.tasks.Go(newReader(c, ws).run)
}

// upgrade answers the handshake, well or badly; the socket is nil when it was badly.
func (b *Broker) upgrade(w http.ResponseWriter, r *http.Request) (*websocket.Conn, *socket) {
	ws, err := b.upgrader.Upgrade(w, r, nil)
	if err != nil {
		b.tally(b.refused, badHandshake)
		b.log.Debug("bad handshake", "error", err)
		return nil, nil
	}
	s, ok := ws.NetConn().(*socket)
	if !ok {
		b.log.Error("broker: a connection did not come through the broker's listener")
		_ = ws.Close() // nothing was said on it
		return nil, nil
	}
	return ws, s
}

// turnAway tells a client that the server is full. It is never opened.
func (b *Broker) turnAway(w http.ResponseWriter, r *http.Request, peer auth.Peer) {
	_, s := b.upgrade(w, r)
	if s == nil {
		b.turnedAway(peer)
		return
	}
	b.tally(b.refused, serverIsFull)
	b.tasks.Go(func() {
		defer b.turnedAway(peer)
		defer func() { _ = s.Close() }() // the client has been told, or is gone
		text, err := wire.Append(nil, wire.MessageException, wire.TooManyConnections().Fields(""), b.clock())
		if err != nil {
			b.log.Error("broker: encoding an exception", "error", err)
			return
		}
		if err := s.SetWriteDeadline(time.Now().Add(outbox.LingerTime)); err != nil {
			return
		}
		if _, err := s.Write(slices.Concat(outbox.NewFrame(text).Bytes(), outbox.NewClose(wire.CloseFull()).Bytes())); err != nil {
			return
		}
		s.closeWrite()
		s.linger()
		s.discard()
	})
}

// turnedAway ends what reserve and enter began for a client that was turned away.
func (b *Broker) turnedAway(peer auth.Peer) {
	b.leave(peer)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusing--
}
