package broker

import "strings"

// scanner sees the bytes of a client before they are parsed, and may change them so that they are refused.
type scanner interface{ scan(p []byte) }

// Names of the header fields that say where the body of a request ends, in lower case.
const (
	contentLength    = "content-length"
	transferEncoding = "transfer-encoding"
)

// requestScanner follows the HTTP requests of a connection. It sees what net/http hides: a request with both Content-Length and
// Transfer-Encoding. A proxy in front may take the end of its body to be elsewhere, and the rest for a request of another client
// (RFC 9112, 6.3 and 11.2). Neither may a field go on in a further line, which net/http joins to the first: a value in a line that
// is not looked at could say where the body ends (RFC 9112, 5.2).
//
// A request with Transfer-Encoding must be the last of its connection, since the end of its body is not looked for.
type requestScanner struct {
	body    uint64 // bytes of the body that follow
	chunked bool   // the rest is the body of a request with Transfer-Encoding
	lines   int    // of the head, the request line included
	width   int    // of the present line, without its end
	name    [len(transferEncoding) + 1]byte
	colon   bool // the present line has one
	counts  bool // the present line is Content-Length

	hasLength, hasEncoding bool   // fields of the head
	length                 uint64 // in Content-Length
}

// scan takes in the next bytes. It removes the colon of a field that contradicts an earlier one, and begins a line that continues
// another with a colon, so that its name is empty: net/http answers both with 400.
func (s *requestScanner) scan(p []byte) {
	for i := 0; i < len(p) && !s.chunked; i++ {
		switch b := p[i]; {
		case s.body > 0:
			skip := min(s.body, uint64(len(p)-i))
			s.body -= skip
			i += int(skip) - 1
		case b == '\n':
			s.endLine()
		case b == '\r':
		case b == ':' && !s.colon && s.lines > 0:
			if s.endName() {
				p[i] = ' '
			}
		case (b == ' ' || b == '\t') && s.width == 0 && s.lines > 0:
			p[i] = ':'
			s.add(':')
		default:
			s.add(b)
		}
	}
}

// add takes in a byte of a line.
func (s *requestScanner) add(b byte) {
	switch {
	case !s.colon && s.width < len(s.name):
		s.name[s.width] = b
	case s.counts && b >= '0' && b <= '9':
		s.length = s.length*10 + uint64(b-'0')
	}
	s.width++
}

// endName takes in the name of a field, and reports whether it contradicts an earlier one.
func (s *requestScanner) endName() (contradicts bool) {
	s.colon = true
	switch strings.ToLower(string(s.name[:min(s.width, len(s.name))])) {
	case contentLength:
		s.hasLength, s.counts, s.length = true, true, 0
	case transferEncoding:
		s.hasEncoding = true
	default:
		return false
	}
	return s.hasLength && s.hasEncoding
}

// endLine takes in the end of a line. An empty line ends the head, unless it is before the request line.
func (s *requestScanner) endLine() {
	switch {
	case s.width > 0:
		s.lines++
	case s.lines > 0:
		*s = requestScanner{body: s.length, chunked: s.hasEncoding}
		return
	}
	s.width, s.colon, s.counts = 0, false, false
}
