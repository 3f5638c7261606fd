package outbox

import (
	"bytes"
	"strings"
	"testing"
)

func text(s string) *Frame { return NewFrame([]byte(s)) }

// Frames have the shortest header that their length allows, and no mask.
func TestFrame(t *testing.T) {
	for _, tt := range []struct {
		size int
		want []byte
	}{
		{0, []byte{0x81, 0}},
		{125, []byte{0x81, 125}},
		{126, []byte{0x81, 126, 0, 126}},
		{65_535, []byte{0x81, 126, 0xff, 0xff}},
		{65_536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		payload := strings.Repeat("x", tt.size)
		if got := string(text(payload).Bytes()); got != string(tt.want)+payload {
			t.Errorf("NewFrame of %d bytes: got header %#v, want %#v", tt.size, got[:len(got)-tt.size], tt.want)
		}
	}
}

// Payload returns the payload of a frame for each length of the header.
func TestPayload(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		text := bytes.Repeat([]byte("x"), size)
		if got := NewFrame(text).Payload(); !bytes.Equal(got, text) {
			t.Errorf("NewFrame of %d bytes: Payload has %d, want the same", size, len(got))
		}
	}
}
