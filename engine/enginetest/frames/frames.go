// Package frames reads what a server sends to a client, for tests that look beneath a WebSocket library. Only tests import it.
package frames

import (
	"encoding/binary"
	"io"
)

// Read returns the next frame, which is not masked: its first byte, FIN and the opcode, and its payload (RFC 6455, 5.2).
func Read(from io.Reader) (first byte, payload string, err error) {
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
