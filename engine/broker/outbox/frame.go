package outbox

import (
	"encoding/binary"
	"math"

	"perigee/engine/wire"
)

// First bytes of frames that are not fragmented (RFC 6455, 5.2): FIN and the opcode.
const (
	TextFrame  = 0x81
	CloseFrame = 0x88
	PingFrame  = 0x89
	PongFrame  = 0x8a
)

// maxControl is the longest payload of a control frame, in bytes (RFC 6455, 5.5).
const maxControl = 125

// Frame is what is written to clients: one unmasked frame, built once and shared by all queues that it is in.
type Frame struct {
	bytes []byte // header and payload; never changed
}

// NewFrame returns the frame of a text message. The payload must be UTF-8. It is copied.
func NewFrame(payload []byte) *Frame { return newFrame(TextFrame, payload) }

// NewPong returns the answer to a ping with this payload, of at most 125 bytes.
func NewPong(payload []byte) *Frame { return newFrame(PongFrame, payload) }

// NewClose returns a close frame. A close without a code is answered with 1000.
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
	return &Frame{append(bytes, payload...)}
}

// Bytes returns header and payload, for a connection that has no line. Nobody changes them.
func (f *Frame) Bytes() []byte { return f.bytes }

// Payload returns the text of the message, for what stands in for a connection. Nobody changes it.
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
