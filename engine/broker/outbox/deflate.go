package outbox

import (
	"bytes"

	"github.com/klauspost/compress/flate"
)

// minDeflate is the size of a frame, in bytes, from which on it is compressed: shorter ones save little.
const minDeflate = 256

// Compressed is the bit RSV1 in the first byte of a frame, which marks a compressed message (RFC 7692, 6).
const Compressed = 0x40

// deflater compresses frames. Its memory, some 800 KiB, is allocated when the first frame is compressed. It belongs to one shard.
type deflater struct {
	writer *flate.Writer
	out    bytes.Buffer
}

// frame returns a frame as it goes to clients that have negotiated compression. It is compressed for the first of them only.
func (d *deflater) frame(f *Frame) *Frame {
	if f.bytes[0] != TextFrame || len(f.bytes) < minDeflate {
		return f
	}
	f.deflate.Do(func() { f.twin = d.compress(f) })
	return f.twin
}

// compress returns a compressed frame, or f if that is not longer. No frame depends on earlier ones, so that all clients can
// be sent the same (RFC 7692, 7.1.1.1: server_no_context_takeover).
func (d *deflater) compress(f *Frame) *Frame {
	d.out.Reset()
	if d.writer == nil {
		d.writer, _ = flate.NewWriter(&d.out, flate.BestSpeed) // fails only for a level that does not exist
	} else {
		d.writer.Reset(&d.out)
	}
	_, _ = d.writer.Write(f.Payload()) // into memory
	_ = d.writer.Flush()
	// RFC 7692, 7.2.1: without the end of the empty block that Flush writes.
	p := bytes.TrimSuffix(d.out.Bytes(), []byte{0, 0, 0xff, 0xff})
	if compressed := newFrame(TextFrame|Compressed, p); len(compressed.bytes) < len(f.bytes) {
		compressed.twin = f
		return compressed
	}
	return f
}
