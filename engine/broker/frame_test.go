package broker

import (
	"bytes"
	"testing"
)

// The payload of a frame is what it was made of, whatever the length of its header.
func TestPayload(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		text := bytes.Repeat([]byte("x"), size)
		if got := NewFrame(text).Payload(); !bytes.Equal(got, text) {
			t.Errorf("NewFrame of %d bytes: Payload has %d, want the same", size, len(got))
		}
	}
}
