package broker

import (
	"context"
	"net"
	"net/http"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
)

// maxConnecting limits the requests that the handler decides about at once. Further ones wait for their turn.
const maxConnecting = 1024

type socketKey struct{}

// ConnContext is for the http.Server that serves with the broker: it lets the broker find the socket of a request.
func (b *Broker) ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, socketKey{}, c)
}

// callConnect asks the handler whether a request may become a connection. It returns why not.
func (b *Broker) callConnect(w http.ResponseWriter, r *http.Request, request *handshake.Request, peer auth.Peer) *httpError {
	if !b.handler.WantsConnect() {
		return nil
	}
	if s, ok := r.Context().Value(socketKey{}).(*socket); ok {
		b.pending.remove(s) // now the client waits for the server
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the context ends if the client leaves
	timeout, cancelTimeout := context.WithTimeoutCause(r.Context(), b.settings().Limits.HandshakeTimeout.Std(), handshake.ErrTimeout)
	defer cancelTimeout()
	ctx, cancel := context.WithCancel(timeout)
	defer cancel()
	if !b.setConnectCall(request, cancel) {
		cancel()
	}
	refusal := handshake.Busy()
	select {
	case b.connectSlots <- struct{}{}:
		refusal = b.handler.Connect(ctx, request, peer)
		<-b.connectSlots
	case <-ctx.Done():
	}
	_ = control.SetWriteDeadline(time.Now().Add(outbox.CloseTimeout)) // fails only if the client is gone
	switch {
	case !b.setConnectCall(request, nil):
		return errorStopping()
	case refusal == nil:
		return nil
	}
	e := &httpError{reason: reasonConnect, status: refusal.Status, text: refusal.Reason, header: []string{"Connection", "close"}}
	if e.text == "" {
		e.text = http.StatusText(e.status)
	}
	if e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable {
		e.retryAfter = retryAfterFull
	}
	return e
}

// setConnectCall stores the function that cancels the call of Handler.Connect for a request if the server stops. At the end of the
// call, cancel must be nil. It reports whether the server goes on.
func (b *Broker) setConnectCall(request *handshake.Request, cancel context.CancelFunc) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel != nil {
		b.connectCalls[request] = cancel
	} else {
		delete(b.connectCalls, request)
	}
	return b.stopReason == nil
}
