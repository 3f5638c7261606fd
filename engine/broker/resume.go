package broker

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/wire"
)

// Subprotocols that ask for a connection that outlives its socket (RFC 6455, 1.9). Browsers let a page choose nothing else of the
// handshake but the URL, and proxies write URLs to their logs.
const (
	// resumableProtocol asks for a connection that can be resumed.
	resumableProtocol = "perigee.v1"
	// resumeProtocol, followed by token "." count, is offered besides to resume one. The server never selects it.
	resumeProtocol = "perigee.resume."
)

// tokenBytes is how many bytes a token encodes, as base64url without padding.
const tokenBytes = 32

// ResumeRequest is what the handshake of a client says about resuming connections.
type ResumeRequest struct {
	// Resumable is set if the client wants a connection that can be resumed.
	Resumable bool
	// Token names the connection that the client wants to resume; "" if it wants a new one.
	Token string
	// Received is how many text frames the client has received on that connection; -1 if it does not know any more.
	Received int64
	// Origin is the origin of the page that has opened the connection; "" if no page has.
	Origin string
}

// End says whether the client of a connection that has ended may come back to it.
type End uint8

const (
	// EndForGood means that the client or the server has ended the connection on purpose, or that the connection cannot be
	// resumed.
	EndForGood End = iota
	// EndLeft means that the page was left or is loaded anew.
	EndLeft
	// EndLost means that the connection failed, or that the server stops.
	EndLost
)

// selectProtocol returns which of the subprotocols that a client offers the server selects: that of connections that can be resumed,
// or else the first one that is listed; "" is none.
func selectProtocol(offered, listed []string) string {
	if slices.Contains(offered, resumableProtocol) {
		return resumableProtocol
	}
	for _, name := range offered {
		if slices.Contains(listed, name) {
			return name
		}
	}
	return ""
}

// visibleProtocols returns the offered subprotocols without those that carry a token of the server.
func visibleProtocols(offered []string) []string {
	return slices.DeleteFunc(slices.Clone(offered), func(name string) bool { return strings.HasPrefix(name, resumeProtocol) })
}

// offeredProtocols returns the subprotocols that a client offers. The header may be given several times (RFC 6455, 11.3.4).
func offeredProtocols(header http.Header) []string {
	var offered []string
	for _, line := range header.Values(handshake.ProtocolHeader) {
		for name := range strings.SplitSeq(line, ",") {
			offered = append(offered, strings.TrimSpace(name))
		}
	}
	return offered
}

// readResumeRequest returns what a handshake says about resuming connections, without its origin. An offer to resume that is malformed
// is no error: the client gets a new connection.
func readResumeRequest(header http.Header) ResumeRequest {
	offered := offeredProtocols(header)
	if selectProtocol(offered, nil) != resumableProtocol {
		return ResumeRequest{}
	}
	for _, name := range offered {
		if token, received, ok := parseResume(name); ok {
			return ResumeRequest{Resumable: true, Token: strings.Clone(token), Received: received}
		}
	}
	return newResumable()
}

// newResumable returns the request for a new connection that can be resumed.
func newResumable() ResumeRequest { return ResumeRequest{Resumable: true, Received: -1} }

// parseResume reads a subprotocol that offers to resume a connection.
func parseResume(protocol string) (token string, received int64, ok bool) {
	rest, ok := strings.CutPrefix(protocol, resumeProtocol)
	token, count, found := strings.Cut(rest, ".")
	if !ok || !found || len(token) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return "", 0, false
	}
	if _, err := base64.RawURLEncoding.DecodeString(token); err != nil {
		return "", 0, false
	}
	if count == "-" {
		return token, -1, true
	}
	received, err := strconv.ParseInt(count, 10, 64)
	if err != nil || strconv.FormatInt(received, 10) != count || received < 0 {
		return "", 0, false
	}
	return token, received, true
}

// isLeft reports whether a client closes with a code because its page is left or loaded anew: a browser sends 1001, and the client
// library 4410 for a page that the browser keeps, whose connection it would end without a code.
func isLeft(code int) bool { return code == wire.CodeGoingAway || code == wire.CodePageLeft }

// canComeBack reports whether a client that closes with a code may come back: its page is left, or a proxy fails or restarts.
func canComeBack(code int) bool {
	return isLeft(code) || slices.Contains([]int{wire.CodeInternal, wire.CodeRestart, wire.CodeTryLater}, code)
}

// Restore returns a connection of a previous server, whose client is away. That server has sent it a number of text frames, of which
// kept holds the texts of the last ones. The connection ends when it is resumed or forgotten, without a call of the handler.
func (b *Broker) Restore(peer auth.Peer, opened time.Time, sent uint64, kept [][]byte) Conn {
	c := &conn{peer: peer, opened: opened, broker: b, resumable: true}
	b.out.Restore(&c.Sender, (*transport)(c), sent, kept)
	return c
}

// acquireAway counts a connection that is away, and reports whether its address has room for it.
func (b *Broker) acquireAway(peer auth.Peer) bool {
	limit := b.settings().Limits.ConnectionsPerIP
	if !isLimited(peer) || b.away.Acquire(peer.Addr, limit) {
		return true
	}
	b.refusals.Log("limits.connections_per_ip", limit, "peer", peer.Addr)
	return false
}

// releaseAway undoes acquireAway.
func (b *Broker) releaseAway(peer auth.Peer) {
	if isLimited(peer) {
		b.away.Release(peer.Addr)
	}
}

// endOf returns how a connection that was closed in this way ends. If its client may come back, the connection counts as away for its
// address until releaseAway is called. An address may have as many connections away as open ones. The two are counted apart, so that
// a client can come back.
func (c *conn) endOf(r outbox.CloseRequest) End {
	switch {
	case !c.resumable || !r.Resumable:
		return EndForGood
	case !c.broker.acquireAway(c.peer):
		return EndForGood
	case r.Reply && isLeft(r.Why.Code):
		return EndLeft
	}
	return EndLost
}
