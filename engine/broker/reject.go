package broker

import (
	"net/http"
	"slices"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/wire"
)

// minRejecting is how many clients at least may be told at once, over WebSockets, why they are refused.
const minRejecting = 16

// mayReject reports whether one more client may be told over a WebSocket why it is refused. mu must be held.
func (b *Broker) mayReject() bool {
	return b.rejecting < max(minRejecting, b.settings().MaxConnections/10)
}

// refuse refuses a request that the handler has decided about. Browsers do not tell a page the HTTP status, so a client that can resume
// connections, and therefore knows the close codes, is upgraded and closed, if not too many are being told something.
func (b *Broker) refuse(w http.ResponseWriter, r *http.Request, request *handshake.Request, peer auth.Peer, refused *httpError) {
	if request.Protocol == resumableProtocol && refused.reason == reasonConnect && b.startRejecting() {
		b.reject(w, r, peer, refused.reason, outbox.NewClose(wire.CloseRefused(refused.status, refused.text)).Bytes())
		return
	}
	b.release(peer)
	b.increment(b.refused, refused.reason)
	refused.write(w)
}

// startRejecting counts a connection as one that is being told why it is refused, if there may be one more.
func (b *Broker) startRejecting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopReason != nil || !b.mayReject() {
		return false
	}
	b.uncount()
	b.rejecting++
	return true
}

// rejectFull tells a client that the server is full. The handler does not see it.
func (b *Broker) rejectFull(w http.ResponseWriter, r *http.Request, peer auth.Peer) {
	frames := outbox.NewClose(wire.CloseFull()).Bytes()
	if f := b.exceptionFrame(wire.TooManyConnections()); f != nil {
		frames = slices.Concat(f.Bytes(), frames)
	}
	b.reject(w, r, peer, reasonFull, frames)
}

// reject upgrades a request, for which the caller has counted rejecting, only to send frames that tell its client why it is refused.
func (b *Broker) reject(w http.ResponseWriter, r *http.Request, peer auth.Peer, reason string, frames []byte) {
	_, s := b.upgrade(w, r, selectProtocol(offeredProtocols(r.Header), b.settings().Protocols), false)
	if s == nil {
		b.releaseRejected(peer)
		return
	}
	b.increment(b.refused, reason)
	b.tasks.Go(func() {
		defer b.releaseRejected(peer)
		defer func() { _ = s.Close() }() // the client has been told, or is gone
		if err := s.SetWriteDeadline(time.Now().Add(outbox.CloseTimeout)); err != nil {
			return
		}
		if _, err := s.Write(frames); err != nil {
			return
		}
		s.closeWrite()
		s.limitReading(outbox.CloseTimeout)
		s.discard()
	})
}

// releaseRejected undoes acquireAddress and acquireSlot for a client that was told why it is refused.
func (b *Broker) releaseRejected(peer auth.Peer) {
	b.releaseAddress(peer)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rejecting--
}
