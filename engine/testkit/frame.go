package testkit

import (
	"encoding/binary"
	"io"
)

// ReadFrame reads one unmasked WebSocket frame, as servers send them (RFC 6455, 5.2), for tests that work below a WebSocket
// library. It returns the first byte, which holds FIN and the opcode, and the payload.
func ReadFrame(from io.Reader) (first byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, "", err
	}
	size := uint64(head[1])
	switch size {
	case 126:
		var short uint16
		err = binary.Read(from, binary.BigEndian, &short)
		size = uint64(short)
	case 127:
		err = binary.Read(from, binary.BigEndian, &size)
	}
	if err != nil {
		return 0, "", err
	}
	text := make([]byte, size)
	_, err = io.ReadFull(from, text)
	return head[0], string(text), err
}
