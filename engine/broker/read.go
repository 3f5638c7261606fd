package broker

import (
	"bytes"
	"errors"
	"io"
	"runtime/debug"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/wire"
)

// maxPooledBuffer is the largest buffer, in bytes, that is kept for further messages.
const maxPooledBuffer = 128 << 10

// reader reads what one client sends. All of it is owned by the connection's goroutine.
type reader struct {
	c  *conn
	ws *websocket.Conn

	limit         int64 // of a message, in bytes; 0 is none
	compressed    bool  // messages may be compressed
	limiter       messageLimiter
	closeReceived bool // the client's close frame has come
}

func newReader(c *conn, ws *websocket.Conn, compressed bool) *reader {
	r := &reader{c: c, ws: ws, compressed: compressed, limit: int64(c.broker.settings().Limits.ReadLimit)}
	wireLimit := r.limit
	if compressed && r.limit > 0 {
		wireLimit += r.limit/4 + 64 // compression can lengthen a message; readText applies the limit itself
	}
	ws.SetReadLimit(wireLimit)
	ws.SetCloseHandler(r.onClose)
	ws.SetPingHandler(r.onPing)
	ws.SetPongHandler(r.onPong)
	return r
}

// run calls the handler for the whole life of a connection.
func (r *reader) run() {
	c := r.c
	defer c.broker.release(c.peer)
	r.recoverPanic(func() {
		c.inHandler.Store(true)
		c.broker.handler.Open(c)
		c.inHandler.Store(false)
		r.readAll()
	})
	if c.IsClosing() && !r.closeReceived {
		c.socket.discard() // until the shard, which writes the close frame, ends the reading
	}
	request := c.Ended(wire.CloseAbnormal())
	end := c.endOf(request)
	c.ReaderDone(end != EndForGood)
	c.broker.increment(c.broker.closed, wire.CodeClass(request.Why.Code))
	r.recoverPanic(func() { c.broker.handler.Closed(c, request.Why, end) })
}

// recoverPanic calls f. If it panics, only this connection is closed.
func (r *reader) recoverPanic(f func()) {
	defer func() {
		if value := recover(); value != nil {
			r.c.broker.log.Error("broker: panic on a connection", "connection", r.c.ID(), "panic", value, "stack", string(debug.Stack()))
			r.c.Sender.Close(outbox.CloseRequest{Why: wire.CloseInternal(), OutOfSync: true, Resumable: true})
		}
	}()
	f()
}

// closeOutOfSync closes the connection of a client whose bytes cannot be parsed any further.
func (r *reader) closeOutOfSync(why wire.Close) {
	r.c.Sender.Close(outbox.CloseRequest{Why: why, OutOfSync: true})
}

// readAll reads messages until reading fails, for whatever reason.
func (r *reader) readAll() {
	for {
		kind, from, err := r.ws.NextReader()
		if err == nil {
			err = r.message(kind, from)
		}
		if err != nil {
			switch {
			case errors.Is(err, websocket.ErrReadLimit):
				r.closeOutOfSync(r.c.tooLarge(config.Size(r.limit)))
			case isCorrupt(err):
				r.closeOutOfSync(wire.CloseCorrupt())
			}
			return
		}
	}
}

// message reads one message and calls the handler with it.
func (r *reader) message(kind int, from io.Reader) error {
	c := r.c
	if kind != websocket.TextMessage {
		c.Close(wire.CloseBinary())
		return nil // gorilla skips the rest
	}
	c.messageStart.Store(max(1, int64(c.broker.now())))
	text, err := r.readText(from)
	c.messageStart.Store(0)
	if err != nil {
		return err
	}
	c.heard.Add(1)
	switch {
	case c.IsClosing():
	case !utf8.Valid(text):
		c.Close(wire.CloseInvalidUTF8())
	case r.accept():
		c.inHandler.Store(true)
		defer c.inHandler.Store(false)
		c.broker.handler.Message(c, text)
	}
	return nil
}

// readText reads a message into a new slice. A compressed one may be much longer than its frames.
func (r *reader) readText(from io.Reader) ([]byte, error) {
	buffers := &r.c.broker.buffers
	buffer := buffers.Get().(*bytes.Buffer) //nolint:forcetypeassert // nothing else is in there
	defer func() {
		if buffer.Cap() <= maxPooledBuffer {
			buffer.Reset()
			buffers.Put(buffer)
		}
	}()
	if r.compressed && r.limit > 0 {
		from = io.LimitReader(from, r.limit+1)
	}
	if _, err := buffer.ReadFrom(from); err != nil {
		return nil, err
	}
	if r.limit > 0 && int64(buffer.Len()) > r.limit {
		return nil, websocket.ErrReadLimit
	}
	return bytes.Clone(buffer.Bytes()), nil
}

// accept counts a message or a control frame against the client's rate limit, and reports whether to process it.
func (r *reader) accept() bool {
	b := r.c.broker
	limits := &b.settings().Limits
	action := r.limiter.decide(limits.MessagesPerSecond, limits.MessagesBurst, b.now())
	if action == acceptMessage {
		return true
	}
	r.c.logRefused("limits.messages_per_second", limits.MessagesPerSecond)
	switch action {
	case dropAndNotify:
		if f := b.exceptionFrame(wire.TooManyMessages()); f != nil {
			r.c.Send(f)
		}
	case dropAndClose:
		r.c.logRefused("limits.messages_burst", limits.MessagesBurst)
		r.c.Close(wire.CloseTooManyMessages())
	case dropMessage, acceptMessage: // the client has been told already; an accepted message does not come here
	}
	return false
}

// exceptionFrame returns the frame that tells a client of an exception, or nil if it cannot be encoded.
func (b *Broker) exceptionFrame(e wire.Exception) *outbox.Frame {
	text, err := wire.Append(nil, wire.MessageException, e.Fields(""), b.clock())
	if err != nil {
		b.log.Error("broker: encoding an exception failed", "error", err)
		return nil
	}
	return outbox.NewFrame(text)
}

// onPing answers a ping (RFC 6455, 5.5.2).
func (r *reader) onPing(payload string) error {
	if r.accept() {
		r.c.Send(outbox.NewPong([]byte(payload)))
	}
	return nil
}

// onPong takes a pong. socket.lastRead shows that the client is alive; what it has received need not be kept.
func (r *reader) onPong(payload string) error {
	if r.accept() {
		r.c.Confirm([]byte(payload))
	}
	return nil
}

// onClose answers a close frame, unless it is an answer (RFC 6455, 5.5.1).
func (r *reader) onClose(code int, reason string) error {
	if code == wire.CodeNoStatus && r.c.socket.endsWithHalfCode() {
		r.closeOutOfSync(wire.CloseProtocol("close frame with half a code"))
		return nil
	}
	r.closeReceived = true
	r.c.Sender.Close(outbox.CloseRequest{Why: wire.Close{Code: code, Reason: reason}, Reply: true, Resumable: canComeBack(code)})
	return nil
}
