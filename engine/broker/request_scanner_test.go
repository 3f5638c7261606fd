package broker

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A request with Content-Length and Transfer-Encoding is answered with 400 wherever the two stand, and in whatever pieces the
// request comes, and so is one with a folded field; the same words elsewhere do no harm.
func TestContradictingLengths(t *testing.T) {
	server := serve(t, nil, nil)
	const head = "POST / HTTP/1.1\r\nHost: localhost\r\n"
	for _, tt := range []struct {
		name, sent string
		status     int // of the last answer
		answers    int
	}{
		{"length first", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 1},
		{"encoding first", head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, 1},
		{"other case, other fields between", head + "content-LENGTH:5\r\nA: b\r\nTRANSFER-encoding:chunked\r\n\r\n0\r\n\r\n", 400, 1},
		{"lines that end without CR", strings.ReplaceAll(head, "\r", "") + "Content-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n", 400, 1},
		{"a GET request", "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 1},
		{"the second request", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 2},
		{"behind a body", head + "Content-Length: 5\r\n\r\nhello" + head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, 2},
		{"a length of zero", head + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 1},
		{"a folded length", head + "Content-Length:\r\n 0\r\n\r\n", 400, 1},
		{"a folded encoding", head + "Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n", 400, 1},
		{"another field folded", head + "A: b\r\n c\r\n\r\n", 400, 1},
		{"a line of a space", head + "A: b\r\n \r\n\r\n", 400, 1},
		{"a folded line with a colon", head + "A: b\r\n c: d\r\n\r\n", 400, 1},
		{"a fold behind the request line", "POST / HTTP/1.1\r\n A: b\r\n\r\n", 400, 1},
		{"spaces elsewhere", head + "A: \t b\tc \r\nContent-Length:\t 5 \r\n\r\n hel\n", 405, 1},
		{"only a length", head + "Content-Length: 5\r\n\r\nhello", 405, 1},
		{"only an encoding", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 405, 1},
		{"a body with the other", head + "Content-Length: 31\r\n\r\n\r\nTransfer-Encoding: chunked\r\n\r\n", 405, 1},
		{"chunks with the other", head + "Transfer-Encoding: chunked\r\n\r\n15\r\n\nContent-Length: 5\r\n\r\r\n0\r\n\r\n", 405, 1},
		{"values with the other", head + "Content-Length: 5\r\nA: Transfer-Encoding: x\r\nX-Transfer-Encoding: x\r\nTransfer-Encodings: x\r\n\r\nhello", 405, 1},
		{"one each in two requests", head + "Content-Length: 5\r\n\r\nhello" + head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 405, 2},
		{"blank lines before", head + "Content-Length: 5\r\n\r\nhello\r\n\r\n" + head + "Content-Length: 0\r\n\r\n", 405, 2},
	} {
		for _, size := range []int{len(tt.sent), 1, 7} {
			c := server.connect(t)
			for piece := range slices.Chunk([]byte(tt.sent), size) {
				c.raw(piece)
			}
			c.deadline()
			for range tt.answers - 1 {
				c.http("")
			}
			// The body of the last answer is not read: the bytes that a server has refused to read may reset the connection.
			response, err := http.ReadResponse(c.in, nil)
			if err != nil {
				t.Fatalf("%s, in pieces of %d bytes: answer %d: %v", tt.name, size, tt.answers, err)
			}
			if response.StatusCode != tt.status {
				t.Errorf("%s, in pieces of %d bytes: answer %d = %s, want %d", tt.name, size, tt.answers, response.Status, tt.status)
			}
		}
	}
}

// In whatever pieces bytes come, the scanner finds the same.
func FuzzRequestScanner(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 1\n\n"), uint8(3))
	f.Add([]byte("\r\n\r\nGET / HTTP/1.1\r\n: \r\nContent-Length: 99999999999999999999999\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, sent []byte, size uint8) { checkPieces(t, (*requestScanner).scan, sent, size) })
}

// checkPieces checks that a scanner finds the same in bytes that come at once and in bytes that come in pieces of a size.
func checkPieces[S comparable](t *testing.T, scan func(s *S, p []byte), sent []byte, size uint8) {
	t.Helper()
	whole, pieces := slices.Clone(sent), slices.Clone(sent)
	var one, other S
	scan(&one, whole)
	for piece := range slices.Chunk(pieces, int(max(size, 1))) {
		scan(&other, piece)
	}
	if !bytes.Equal(whole, pieces) || one != other {
		t.Errorf("scan(%q) at once and in pieces of %d differ", sent, size)
	}
}
