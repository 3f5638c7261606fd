package manager

import (
	"context"
	"errors"
	"net/http"

	"perigee/engine/auth"
	"perigee/engine/handshake"
	"perigee/engine/loop"
	"perigee/engine/manager/hub"
	"perigee/engine/wire"
)

// WantsConnect implements broker.Handler.
func (m *Manager) WantsConnect() bool { return m.generation.Load().application.HasConnect() }

// Connect implements broker.Handler: it runs the connect hook. The connection whose fields the hook has set becomes the request's
// Admission. It must not be called by the loop.
func (m *Manager) Connect(ctx context.Context, r *handshake.Request, peer auth.Peer) *handshake.Refusal {
	decided := make(chan *handshake.Refusal, 1)
	if err := m.PostConnect(ctx, r, peer, func(refusal *handshake.Refusal) { decided <- refusal }); err != nil {
		return handshake.Busy()
	}
	select {
	case refusal := <-decided:
		return refusal
	case <-ctx.Done():
		return handshake.Busy()
	}
}

// PostConnect runs the connect hook in a turn of its own, and calls done on the loop with its result.
func (m *Manager) PostConnect(ctx context.Context, r *handshake.Request, peer auth.Peer, done func(refusal *handshake.Refusal)) error {
	uuid := wire.NewID()
	return m.loop.PostWithin(ctx, "connect", func() {
		refusal := connectFailed("unknown") // if the turn panics, which the loop logs
		defer func() { done(refusal) }()
		c := m.hub.New(uuid, peer.Addr)
		if refusal = m.runConnectHook(ctx, c, r, peer); refusal == nil {
			r.Admission = c
		} else {
			m.hub.Refuse(c, peer.Addr)
		}
	})
}

func (m *Manager) runConnectHook(ctx context.Context, c *hub.Connection, r *handshake.Request, peer auth.Peer) (refusal *handshake.Refusal) {
	if ctx.Err() != nil { // nobody waits for the answer
		return handshake.Busy()
	}
	g := m.generation.Load()
	m.loop.As(c.Owner(), func() {
		var err error
		_ = runCounted(g.metrics.onConnect, func() error {
			g.application.RunWithin(ctx, func() { refusal, err = g.application.OnConnect(r, peer, c) })
			return err
		})
		*c.Slot() = nil // no script knows the connection yet, and others may be in force when it opens
		m.hub.Flush()
		switch {
		case err == nil:
		case errors.Is(err, loop.ErrTooManyWaiting), errors.Is(context.Cause(ctx), context.Canceled):
			refusal = handshake.Busy() // the loop has reported the first; of the second nobody hears
		default:
			ref, _ := m.report(g.number, "connect", nil, err)
			refusal = connectFailed(ref)
			if ctx.Err() != nil {
				refusal = handshake.Busy()
			}
		}
	})
	return refusal
}

func connectFailed(ref string) *handshake.Refusal {
	return &handshake.Refusal{Status: http.StatusInternalServerError, Reason: wire.HandlerFailed(ref).Message}
}
