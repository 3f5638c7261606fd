package broker

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/base64"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// offer is the line of a client that offers compression.
const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"

// compressing makes a server accept compression.
func compressing(o *Options) { o.Compression = true }

// deflated compresses a message (RFC 7692, 7.2.1).
func deflated(tb testing.TB, text string) string {
	tb.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		tb.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
}

// inflated returns the message of a compressed payload (RFC 7692, 7.2.2).
func inflated(tb testing.TB, payload string) string {
	tb.Helper()
	text, err := io.ReadAll(flate.NewReader(strings.NewReader(payload + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	if err != nil {
		tb.Fatalf("decompressing %q: %v", payload, err)
	}
	return string(text)
}

// Compression is accepted if a client offers it in a way that needs no other answer than the server's (RFC 7692, 7.1), and only if
// the settings allow it.
func TestCompressionOffers(t *testing.T) {
	const accepted = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	plain, s := serve(t, nil, nil), serve(t, compressing, nil)
	accept := []string{
		"permessage-deflate",
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate;client_max_window_bits=15;server_no_context_takeover",
		"permessage-deflate; client_max_window_bits=8",
		`permessage-deflate; client_max_window_bits="12"`,
		"permessage-deflate; client_no_context_takeover; server_no_context_takeover",
		"x-webkit-deflate-frame, permessage-deflate",
		"permessage-deflate; server_max_window_bits=10, permessage-deflate",
		"permessage-deflate; unknown, permessage-deflate; client_no_context_takeover",
		"mux; x=\"a,b\", permessage-deflate",
	}
	decline := []string{
		"permessage-deflate; server_max_window_bits=10",
		"permessage-deflate; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits",
		"permessage-deflate; unknown",
		"permessage-deflate; client_max_window_bits=7",
		"permessage-deflate; client_max_window_bits=16",
		"permessage-deflate; client_max_window_bits=08",
		"permessage-deflate; client_max_window_bits=",
		`permessage-deflate; client_max_window_bits="12`,
		"permessage-deflate; client_no_context_takeover=1",
		"permessage-deflate; client_no_context_takeover; client_no_context_takeover",
		"permessage-deflate; client_max_window_bits=9; client_max_window_bits=10",
		"permessage-deflate; ",
		"permessage-deflate2",
		"permessage-bzip2",
		"x-webkit-deflate-frame",
	}
	for _, offers := range slices.Concat(accept, decline) {
		want := ""
		if slices.Contains(accept, offers) {
			want = accepted
		}
		response := s.connect(t).request("Sec-WebSocket-Extensions: " + offers)
		if got := response.Header.Get("Sec-WebSocket-Extensions"); response.StatusCode != 101 || got != want {
			t.Errorf("offer %q: got %s with %q, want 101 with %q", offers, response.Status, got, want)
		}
		response = plain.connect(t).request("Sec-WebSocket-Extensions: " + offers)
		if got := response.Header.Get("Sec-WebSocket-Extensions"); response.StatusCode != 101 || got != "" {
			t.Errorf("offer %q without server.compression: got %s with %q, want 101 without extensions", offers, response.Status, got)
		}
	}
	response := s.connect(t).request("Sec-WebSocket-Extensions: foo", "Sec-WebSocket-Extensions: permessage-deflate")
	if got := response.Header.Get("Sec-WebSocket-Extensions"); got != accepted {
		t.Errorf("offers in two lines: got %q, want %q", got, accepted)
	}
}

// The server handles compressed messages as RFC 7692 demands, and all others as before. Paragraphs are those of the RFC.
func TestCompressionConformance(t *testing.T) {
	o := newObserver()
	s := serve(t, compressing, o)
	rows := slices.Concat(controls(), fragments(), texts(), closes(), compressedFrames(t), compressedLimits(t))
	for _, tt := range rows {
		t.Run(tt.paragraph+" "+tt.name, func(t *testing.T) { tt.play(t, o, s.dial(t, offer)) })
	}
}

func compressedFrames(tb testing.TB) []row {
	tb.Helper()
	const (
		rsv1  = outbox.Compressed
		hello = "\xf2\x48\xcd\xc9\xc9\x07\x00" // the example of the RFC
	)
	first := func(payload string) []byte { return ofClient(textFrame|rsv1, payload) }
	one := []string{"Hello"}
	return []row{
		{"6.1", "message without compression", [][]byte{ofClient(textFrame, "Hello")}, one, nil, 0},
		{"6.1", "messages with and without compression", [][]byte{first(hello), ofClient(textFrame, "x"), first(hello)}, []string{"Hello", "x", "Hello"}, nil, 0},
		{"7.2.3.1", "one block", [][]byte{first(hello)}, one, nil, 0},
		{"7.2.3.1", "two fragments", [][]byte{ofClient(more|opText|rsv1, hello[:3]), ofClient(fin|opContinue, hello[3:])}, one, nil, 0},
		{"7.2.3.1", "a fragment for each byte", [][]byte{
			ofClient(more|opText|rsv1, hello[:1]), ofClient(more|opContinue, hello[1:2]), ofClient(more|opContinue, ""),
			ofClient(more|opContinue, hello[2:6]), ofClient(fin|opContinue, hello[6:]),
		}, one, nil, 0},
		{"7.2.3.1", "byte after byte", bytes.SplitAfter(first(hello), nil), one, nil, 0},
		{"7.2.3.2", "reference to an earlier message", [][]byte{first(hello), first("\xf2\x00\x11\x00\x00")}, one, nil, 1007},
		{"7.2.3.3", "block without compression", [][]byte{first("\x00\x05\x00\xfa\xffHello\x00")}, one, nil, 0},
		{"7.2.3.4", "final block", [][]byte{first("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")}, one, nil, 0},
		{"7.2.3.5", "two blocks", [][]byte{first("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")}, one, nil, 0},
		{"7.2.3.6", "empty message", [][]byte{first("\x00")}, []string{""}, nil, 0},
		{"7.2.2", "no payload", [][]byte{first("")}, nil, nil, 1007},
		{"7.2.2", "block of a type that does not exist", [][]byte{first("\x07")}, nil, nil, 1007},
		{"7.2.2", "half a block", [][]byte{first("\x00\x05\x00\xfa\xffHe")}, nil, nil, 1007},
		{"7.2.2", "random bytes", [][]byte{first("\xfe\xdc\xba\x98\x76\x54\x32\x10")}, nil, nil, 1007},
		{"7.2.2", "text that is not UTF-8", [][]byte{first(deflated(tb, "a\xffb"))}, nil, nil, 1007},
		{"7.2.2", "binary", [][]byte{ofClient(fin|opBinary|rsv1, hello)}, nil, nil, 1003},
		{"6.1", "ping inside a message", [][]byte{
			ofClient(more|opText|rsv1, hello[:3]), ofClient(pingFrame, "now"), ofClient(fin|opContinue, hello[3:]),
		}, one, []frame{{pongFrame, "now"}}, 0},
		{"6.1", "mark on the last fragment", [][]byte{ofClient(more|opText|rsv1, hello[:3]), ofClient(fin|opContinue|rsv1, hello[3:])}, nil, nil, 1002},
		{"6.1", "mark on a fragment", [][]byte{ofClient(more|opText, "a"), ofClient(more|opContinue|rsv1, "b")}, nil, nil, 1002},
		{"6.1", "mark on a fragment after a long one", [][]byte{
			ofClient(more|opText, strings.Repeat("\xc9", 60_000)), ofClient(fin|opContinue|rsv1, "b"),
		}, nil, nil, 1002},
		{"6.1", "mark on a ping", [][]byte{ofClient(textFrame, strings.Repeat("x", 200)), ofClient(pingFrame|rsv1, "")}, []string{strings.Repeat("x", 200)}, nil, 1002},
		{"6.1", "mark on a pong", [][]byte{ofClient(pongFrame|rsv1, "")}, nil, nil, 1002},
		{"6.1", "mark on a close frame", [][]byte{ofClient(closeFrame|rsv1, "\x03\xe8")}, nil, nil, 1002},
		{"6", "another reserved bit", [][]byte{ofClient(textFrame|rsv1|0x20, hello)}, nil, nil, 1002},
		{"6", "only another reserved bit", [][]byte{ofClient(textFrame|0x10, "x")}, nil, nil, 1002},
	}
}

// compressedLimits has messages around the limit, which counts what a message becomes.
func compressedLimits(t *testing.T) []row {
	t.Helper()
	limit := int(config.Default().Limits.ReadLimit)
	largest := strings.Repeat("x", limit)
	random := make([]byte, limit*3/4)
	_, _ = rand.Read(random) // never fails
	noise := base64.StdEncoding.EncodeToString(random)
	var stored strings.Builder // in blocks of 100 bytes without compression, with 5 bytes each
	for part := range slices.Chunk([]byte(noise), 100) {
		n := byte(len(part))
		stored.WriteString("\x00" + string([]byte{n, 0, ^n, 0xff}) + string(part))
	}
	stored.WriteString("\x00")
	bomb := deflated(t, strings.Repeat("x", 62<<20))
	if len(bomb) > limit {
		t.Fatalf("the bomb has %d bytes, want fewer than the limit", len(bomb))
	}
	compressed := func(payload string) []byte { return ofClient(textFrame|outbox.Compressed, payload) }
	return []row{
		{"8", "largest message", [][]byte{compressed(deflated(t, largest))}, []string{largest}, nil, 0},
		{"8", "largest message, which becomes longer", [][]byte{compressed(stored.String())}, []string{noise}, nil, 0},
		{"8", "largest message without compression", [][]byte{ofClient(textFrame, largest)}, []string{largest}, nil, 0},
		{"8", "message larger than the limit", [][]byte{compressed(deflated(t, largest+"x"))}, nil, nil, 1009},
		{"8", "message larger than the limit, without compression", [][]byte{ofClient(textFrame, largest+"x")}, nil, nil, 1009},
		{"8", "bomb", [][]byte{compressed(bomb)}, nil, nil, 1009},
		{"8", "bomb in fragments", [][]byte{
			ofClient(more|opText|outbox.Compressed, bomb[:100]), ofClient(more|opContinue, bomb[100:40_000]), ofClient(fin|opContinue, bomb[40_000:]),
		}, nil, nil, 1009},
	}
}

// A compressed message of 63 KB that would become 62 MB takes less than 1 MB.
func TestCompressionBomb(t *testing.T) {
	o := newObserver()
	s := serve(t, compressing, o)
	frame := ofClient(textFrame|outbox.Compressed, deflated(t, strings.Repeat("x", 62<<20)))
	c := s.dial(t, offer)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c.raw(frame)
	want := wire.CloseTooLarge(int64(config.Default().Limits.ReadLimit))
	c.wantClose(want)
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
		t.Errorf("a bomb of %d bytes made the server allocate %d bytes, want less than 1 MiB", len(frame), allocated)
	}
	_ = c.Close()
	if got := testkit.Receive(t, o.ends, "Closed"); got != want {
		t.Errorf("Closed(%v), want %v", got, want)
	}
}

// A client that has negotiated compression is sent long texts compressed and short ones as they are; others are sent neither
// compressed.
func TestCompressedMessages(t *testing.T) {
	o := newObserver()
	s := serve(t, compressing, o)
	long := strings.Repeat(`{"name":"Somebody"},`, 500)
	for _, line := range []string{offer, "X-Other: 1"} {
		c := s.dial(t, line)
		conn := testkit.Receive(t, o.opens, "Open")
		conn.Send(outbox.NewFrame([]byte(long)))
		conn.Send(outbox.NewFrame([]byte("short")))
		got, err := c.read()
		if err != nil {
			t.Fatal(err)
		}
		if line == offer {
			if got.first != textFrame|outbox.Compressed || len(got.payload) > 200 || inflated(t, got.payload) != long {
				t.Errorf("with compression: got %#x with %d bytes, want the long text in less than 200", got.first, len(got.payload))
			}
		} else if got != (frame{textFrame, long}) {
			t.Errorf("without compression: got %#x with %d bytes, want the long text", got.first, len(got.payload))
		}
		c.want(textFrame, "short")
	}
}

// Whatever bytes come, in whatever pieces, the scanner of frames finds the same headers.
func FuzzFrameScanner(f *testing.F) {
	f.Add(slices.Concat(ofClient(textFrame|outbox.Compressed, "abc"), ofClient(pingFrame|outbox.Compressed, "")), uint8(1))
	f.Add(slices.Concat(ofClient(textFrame, strings.Repeat("x", 70_000)), ofClient(closeFrame|outbox.Compressed, "ab")), uint8(3))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc9}, uint8(2))
	f.Fuzz(func(t *testing.T, sent []byte, size uint8) { checkPieces(t, (*frameScanner).scan, sent, size) })
}
