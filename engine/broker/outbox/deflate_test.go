package outbox

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"testing"
)

// inflate returns the message of a compressed frame.
func inflate(t *testing.T, f *Frame) string {
	t.Helper()
	// RFC 7692, 7.2.2; the last block is final for the reader.
	tail := strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")
	text, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(f.Payload()), tail)))
	if err != nil {
		t.Fatalf("decompressing %d bytes: %v", len(f.Payload()), err)
	}
	return string(text)
}

// Long texts are compressed, once for all clients, each without reference to earlier ones. Other frames stay as they are.
func TestDeflate(t *testing.T) {
	var d, other deflater
	for _, size := range []int{minDeflate, 1000, 65_535, 1 << 20} {
		long := strings.Repeat("abcdefgh", size/8)
		f := text(long)
		got := d.frame(f)
		if got.bytes[0] != TextFrame|Compressed || len(got.bytes) > len(f.bytes)/2 || inflate(t, got) != long {
			t.Errorf("a text of %d bytes becomes a frame %#x of %d bytes, want half at most and the same text", size, got.bytes[0], len(got.bytes))
		}
		if again := other.frame(f); again != got {
			t.Error("the same frame was compressed twice")
		}
	}
	random := make([]byte, 500)
	_, _ = rand.Read(random) // never fails
	for name, f := range map[string]*Frame{
		"a short text":                   text(strings.Repeat("x", minDeflate-5)),
		"random bytes":                   NewFrame(random),
		"a pong as long as a text":       newFrame(PongFrame, bytes.Repeat([]byte("x"), minDeflate)),
		"a close frame as long as texts": newFrame(CloseFrame, bytes.Repeat([]byte("x"), minDeflate)),
	} {
		if got := d.frame(f); got != f {
			t.Errorf("%s was compressed", name)
		}
	}
}

// Only clients that have negotiated compression are sent compressed frames; a frame that replaces another is one of them.
func TestCompressedSend(t *testing.T) {
	o := start(t, nil)
	plain, compressing := joinSocket(t, o), joinSocket(t, o)
	on(t, compressing.shard, func() { compressing.compress = true })
	long := strings.Repeat("roster ", 1000)
	for _, c := range []*client{plain, compressing} {
		c.Subscribe(1)
	}
	f := text(long)
	o.Publish(1, f)
	for _, c := range []*client{plain, compressing} {
		c.SendLatest(f)
		c.Send(text("short"))
	}
	for range 2 {
		plain.want(TextFrame, long)
		first, payload, err := compressing.read()
		if err != nil || first != TextFrame|Compressed || len(payload) > 200 || inflate(t, &Frame{bytes: unfragmented(first, payload)}) != long {
			t.Fatalf("read: got %#x with %d bytes, %v, want a compressed roster", first, len(payload), err)
		}
	}
	plain.want(TextFrame, "short")
	compressing.want(TextFrame, "short")
}

// unfragmented builds the bytes of a frame.
func unfragmented(first byte, payload string) []byte { return newFrame(first, []byte(payload)).bytes }

// roster is the message with a list of n connections, which have random UUIDs as in life.
func roster(n int) []byte {
	var text bytes.Buffer
	text.WriteString(`{"connections":{`)
	for i := range n {
		if i > 0 {
			text.WriteByte(',')
		}
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		fmt.Fprintf(&text, `"%[1]x":{"admin":false,"name":"Person %[2]d","notifications":{},"resource_id":%[2]d,"subscriptions":{},`+
			`"timestamp":%[3]d,"type":"player","uuid":"%[1]x"}`, id, i, 1_795_384_421+i*7)
	}
	text.WriteString(`},"id":"0d4cbb5f-16f1-4b3d-9a55-0f5a2e3c3a4b","name":"UpdateConnections","timestamp":1795384421.635873}`)
	return text.Bytes()
}

// Compressing a message costs this time, once for all receivers, and saves these bytes for each of them. The message of 200 bytes
// shows why short ones are not compressed.
func BenchmarkDeflate(b *testing.B) {
	for name, message := range map[string][]byte{
		"roster of 1000": roster(1000), "roster of 50": roster(50), "1000 bytes": roster(10)[:1000], "200 bytes": roster(1)[:200],
	} {
		b.Run(name, func(b *testing.B) {
			var d deflater
			var size int
			for b.Loop() {
				size = len(d.compress(NewFrame(message)).bytes)
			}
			b.ReportMetric(float64(len(message)), "bytes")
			b.ReportMetric(float64(size), "compressed_bytes")
		})
	}
}
