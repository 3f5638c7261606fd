package broker

import (
	"bytes"
	"errors"
	"io"
	"runtime/debug"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// largestBuffer is the largest buffer, in bytes, that is kept for further messages.
const largestBuffer = 128 << 10

// reader reads what one client sends. All of it is owned by the connection's goroutine.
type reader struct {
	c  *conn
	ws *websocket.Conn

	limiter  messageLimiter
	answered bool // the client's close frame has come
}

func newReader(c *conn, ws *websocket.Conn) *reader {
	r := &reader{c: c, ws: ws}
	ws.SetReadLimit(int64(c.broker.settings().Limits.ReadLimit))
	ws.SetCloseHandler(r.hearClose)
	ws.SetPingHandler(r.hearPing)
	ws.SetPongHandler(r.hearPong)
	return r
}

// run is the life of a connection as its handler sees it.
func (r *reader) run() {
	c := r.c
	defer c.broker.release(c.peer)
	r.guard(func() {
		c.busy.Store(true)
		c.broker.handler.Open(c)
		c.busy.Store(false)
		r.readAll()
	})
	if c.line.Finished() && !r.answered {
		c.socket.discard() // until the shard, which writes the close frame, has it end
	}
	why := c.line.Leave(wire.CloseLost(""))
	c.broker.tally(c.broker.closed, wire.CodeClass(why.Code))
	r.guard(func() { c.broker.handler.Closed(c, why) })
}

// guard keeps a panic to this connection.
func (r *reader) guard(f func()) {
	defer func() {
		if value := recover(); value != nil {
			r.c.broker.log.Error("broker: panic on a connection", "connection", r.c.ID(), "panic", value, "stack", string(debug.Stack()))
			r.c.line.Finish(outbox.Ending{Why: wire.CloseInternal(), Lost: true})
		}
	}()
	f()
}

// readAll reads messages until reading fails, for whatever reason.
func (r *reader) readAll() {
	for {
		kind, from, err := r.ws.NextReader()
		if err == nil {
			err = r.message(kind, from)
		}
		if err != nil {
			if errors.Is(err, websocket.ErrReadLimit) {
				limit := int64(r.c.broker.settings().Limits.ReadLimit)
				r.c.line.Finish(outbox.Ending{Why: wire.CloseTooLarge(limit), Lost: true})
			}
			return
		}
	}
}

// message reads one message and hands it over.
func (r *reader) message(kind int, from io.Reader) error {
	c := r.c
	if kind != websocket.TextMessage {
		c.Close(wire.CloseBinary())
		return nil // gorilla skips the rest
	}
	c.begun.Store(max(1, int64(c.broker.now())))
	text, err := r.readText(from)
	c.begun.Store(0)
	switch {
	case err != nil:
		return err
	case c.line.Finished():
	case !utf8.Valid(text):
		c.Close(wire.CloseInvalidUTF8())
	case r.accepts():
		c.busy.Store(true)
		defer c.busy.Store(false)
		c.broker.handler.Message(c, text)
	}
	return nil
}

// readText reads a message into a slice of its own.
func (r *reader) readText(from io.Reader) ([]byte, error) {
	buffers := &r.c.broker.buffers
	buffer := buffers.Get().(*bytes.Buffer) //nolint:forcetypeassert // nothing else is in there
	defer func() {
		if buffer.Cap() <= largestBuffer {
			buffer.Reset()
			buffers.Put(buffer)
		}
	}()
	if _, err := buffer.ReadFrom(from); err != nil {
		return nil, err
	}
	return bytes.Clone(buffer.Bytes()), nil
}

// accepts counts a message or a control frame against the client's rate, and tells whether it is to be heard.
func (r *reader) accepts() bool {
	b := r.c.broker
	limits := &b.settings().Limits
	switch r.limiter.next(limits.MessagesPerSecond, limits.MessagesBurst, b.now()) {
	case accept:
		return true
	case dropAndNotify:
		text, err := wire.Append(nil, wire.MessageException, wire.TooManyMessages().Fields(""), b.clock())
		if err != nil {
			b.log.Error("broker: encoding an exception", "error", err)
			break
		}
		r.c.Send(outbox.NewFrame(text))
	case dropAndClose:
		r.c.Close(wire.CloseTooManyMessages())
	case drop:
	}
	return false
}

// hearPing answers a ping (RFC 6455, 5.5.2).
func (r *reader) hearPing(payload string) error {
	if r.accepts() {
		r.c.Send(outbox.NewPong([]byte(payload)))
	}
	return nil
}

// hearPong counts a pong; that the client is alive shows in socket.heard.
func (r *reader) hearPong(string) error {
	r.accepts()
	return nil
}

// hearClose answers a close frame, unless it is an answer (RFC 6455, 5.5.1).
func (r *reader) hearClose(code int, reason string) error {
	if code == wire.CodeNoStatus && r.c.socket.brokenClose() {
		r.c.line.Finish(outbox.Ending{Why: wire.CloseProtocol("close frame with half a code"), Lost: true})
		return nil
	}
	r.answered = true
	r.c.line.Finish(outbox.Ending{Why: wire.Close{Code: code, Reason: reason}, Echo: true})
	return nil
}
