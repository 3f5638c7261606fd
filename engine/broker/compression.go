package broker

import (
	"compress/flate"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"perigee/engine/broker/outbox"
)

// extensionsHeader is the header with the offers of a client (RFC 6455, 11.3.2).
const extensionsHeader = "Sec-Websocket-Extensions"

// deflateExtension is the name of the extension that compresses messages (RFC 7692, 7).
const deflateExtension = "permessage-deflate"

// offersDeflate reports whether a client offers compression in a way that the only answer fits which gorilla gives: that
// neither side refers to earlier messages. An offer that limits the server's window needs another answer, so it is declined; the
// client may have made a second one.
func offersDeflate(header http.Header) bool {
	for _, line := range header[extensionsHeader] {
		if slices.ContainsFunc(strings.Split(line, ","), isDeflateOffer) {
			return true
		}
	}
	return false
}

// isDeflateOffer reports whether an offer is one for compression that can be accepted, without unknown, repeated or invalid
// parameters (RFC 7692, 7.1). Quotes around a comma or a semicolon are in none of its parameters.
func isDeflateOffer(offer string) bool {
	name, rest, more := strings.Cut(offer, ";")
	if strings.TrimSpace(name) != deflateExtension {
		return false
	}
	seen := map[string]bool{}
	for more {
		var parameter string
		parameter, rest, more = strings.Cut(rest, ";")
		key, value, hasValue := strings.Cut(parameter, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch key {
		case "server_no_context_takeover", "client_no_context_takeover":
			if hasValue {
				return false
			}
		case "client_max_window_bits": // the answer leaves it out: the client may use any window
			if hasValue && !isWindowBits(value) {
				return false
			}
		default:
			return false
		}
		if seen[key] {
			return false
		}
		seen[key] = true
	}
	return true
}

// isWindowBits reports whether a value is a number from 8 to 15 without leading zeros (RFC 7692, 7.1.2).
func isWindowBits(value string) bool {
	if quoted, ok := strings.CutPrefix(value, `"`); ok {
		if value, ok = strings.CutSuffix(quoted, `"`); !ok {
			return false
		}
	}
	bits, err := strconv.Atoi(value)
	return err == nil && bits >= 8 && bits <= 15 && value == strconv.Itoa(bits)
}

// isCorrupt reports whether reading a message failed since it is no valid result of compression.
func isCorrupt(err error) bool {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return corrupt || errors.Is(err, io.ErrUnexpectedEOF)
}

// frameScanner follows the frames of a client that may compress messages. It sees what gorilla overlooks: the mark of a compressed
// message on other frames than the first of a message (RFC 7692, 6).
type frameScanner struct {
	header  [14]byte // of the present frame, as far as it was read
	read    int      // bytes of header
	payload uint64   // bytes of the payload that follow
}

// scan takes in the next bytes. It sets a reserved bit of a frame whose mark is not allowed, which gorilla refuses.
func (f *frameScanner) scan(p []byte) {
	const rsv2, opcode, text, binary = 0x20, 0xf, 1, 2
	for len(p) > 0 {
		if f.payload > 0 {
			skip := min(f.payload, uint64(len(p)))
			f.payload -= skip
			p = p[skip:]
			continue
		}
		if kind := p[0] & opcode; f.read == 0 && p[0]&outbox.Compressed != 0 && kind != text && kind != binary {
			p[0] |= rsv2
		}
		f.header[f.read] = p[0]
		f.read++
		p = p[1:]
		if payload, complete := f.payloadLength(); complete {
			f.payload, f.read = payload, 0
		}
	}
}

// payloadLength returns the length of the payload once the header is complete (RFC 6455, 5.2).
func (f *frameScanner) payloadLength() (length uint64, complete bool) {
	if f.read < 2 {
		return 0, false
	}
	size, extended := 2, 0
	switch length = uint64(f.header[1] & 0x7f); length {
	case 126:
		extended = 2
	case 127:
		extended = 8
	}
	if f.header[1]&0x80 != 0 {
		size += 4 // the mask
	}
	if f.read < size+extended {
		return 0, false
	}
	if extended > 0 {
		length = 0
		for _, b := range f.header[2 : 2+extended] {
			length = length<<8 | uint64(b)
		}
	}
	return length, true
}
