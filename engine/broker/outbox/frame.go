package outbox

import (
	"encoding/binary"
	"math"
	"sync"

	"perigee/engine/wire"
)

// First bytes of unfragmented frames (RFC 6455, 5.2): FIN and the opcode.
const (
	TextFrame  = 0x81
	CloseFrame = 0x88
	PingFrame  = 0x89
	PongFrame  = 0x8a
)

// maxControl is the longest payload of a control frame, in bytes (RFC 6455, 5.5).
const maxControl = 125

// Frame is one unmasked frame for clients, built once and shared by all queues that it is in.
type Frame struct {
	bytes []byte // header and payload; never changed

	deflate sync.Once
	// The same message in the other form: set by deflate, to the frame for clients that have negotiated compression; of such a frame,
	// if it is compressed, that for all others.
	twin *Frame
}

// NewFrame returns the frame of a text message. The payload must be valid UTF-8. It is copied.
func NewFrame(payload []byte) *Frame { return newFrame(TextFrame, payload) }

// NewPong returns the answer to a ping with this payload, of at most 125 bytes.
func NewPong(payload []byte) *Frame { return newFrame(PongFrame, payload) }

// NewClose returns a close frame. The code is 1000 if why has no code.
func NewClose(why wire.Close) *Frame {
	if why.Code == wire.CodeNoStatus {
		why.Code = wire.CodeNormal
	}
	payload := binary.BigEndian.AppendUint16(make([]byte, 0, maxControl), uint16(why.Code))
	return newFrame(CloseFrame, append(payload, why.Reason...))
}

func newFrame(first byte, payload []byte) *Frame {
	const longestHeader = 10
	bytes := make([]byte, 0, longestHeader+len(payload))
	bytes = append(bytes, first)
	switch n := len(payload); {
	case n <= maxControl:
		bytes = append(bytes, byte(n))
	case n <= math.MaxUint16:
		bytes = binary.BigEndian.AppendUint16(append(bytes, 126), uint16(n))
	default:
		bytes = binary.BigEndian.AppendUint64(append(bytes, 127), uint64(n))
	}
	return &Frame{bytes: append(bytes, payload...)}
}

// isText reports whether a frame is that of a text message, compressed or not.
func (f *Frame) isText() bool { return f.bytes[0]&^Compressed == TextFrame }

// plain returns a frame as it is before compression.
func (f *Frame) plain() *Frame {
	if f.bytes[0] == TextFrame|Compressed {
		return f.twin
	}
	return f
}

// Bytes returns header and payload, for a connection without a Sender. The caller must not change them.
func (f *Frame) Bytes() []byte { return f.bytes }

// Payload returns the text of the message, for fakes of a connection. The caller must not change it.
func (f *Frame) Payload() []byte {
	switch f.bytes[1] { // the header has 2, 4 or 10 bytes (RFC 6455, 5.2)
	case 126:
		return f.bytes[4:]
	case 127:
		return f.bytes[10:]
	default:
		return f.bytes[2:]
	}
}
