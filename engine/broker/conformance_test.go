package broker

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// The server handles each kind of frame as RFC 6455 demands. Paragraphs are those of the RFC.
func TestConformance(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	for _, tt := range slices.Concat(framing(), controls(), fragments(), texts(), closes()) {
		t.Run(tt.paragraph+" "+tt.name, func(t *testing.T) { tt.play(t, o, s.dial(t)) })
	}
}

// wantCode reads a close frame with a code and a reason that is fit for one, and then the end.
func wantCode(t *testing.T, c *client, code int) {
	t.Helper()
	got, err := c.read()
	if err != nil {
		t.Fatalf("read: %v, want a close frame with %d", err, code)
	}
	if got.first != closeFrame || len(got.payload) < 2 || len(got.payload) > maxControl ||
		int(got.payload[0])<<8|int(got.payload[1]) != code || !utf8.ValidString(got.payload[2:]) {
		t.Fatalf("read: got %#x %q, want a close frame with %d", got.first, got.payload, code)
	}
	if code == wire.CodeProtocol {
		c.wantEnd()
		return
	}
	c.closes(code, "")
	c.wantEnd()
}

// row is an action of a client and its result.
type row struct {
	paragraph string
	name      string
	send      [][]byte
	messages  []string // that the handler gets
	answers   []frame  // before the close frame, if one is due
	code      int      // of the server's close frame; 0 if the connection stays open
}

// play has a client do what the row says, and checks the result.
func (tt row) play(t *testing.T, o *observer, c *client) {
	t.Helper()
	for _, p := range tt.send {
		c.raw(p)
	}
	for _, want := range tt.messages {
		if got := testkit.Receive(t, o.messages, "message"); got != want {
			t.Errorf("Message: got %.80q, want %.80q", got, want)
		}
	}
	for _, want := range tt.answers {
		c.want(want.first, want.payload)
	}
	if tt.code == 0 {
		c.send(pingFrame, "still here?")
		c.want(pongFrame, "still here?")
		c.closes(wire.CodeNormal, "")
		c.wantClose(wire.CloseNormal(""))
		c.wantEnd()
	} else {
		wantCode(t, c, tt.code)
	}
	_ = c.Close() // as clients do at the end
	testkit.Receive(t, o.ends, "Closed")
	if len(o.messages) != 0 {
		t.Errorf("Message(%.80q) was called", <-o.messages)
	}
}

// ofClient is a frame as a client sends it.
func ofClient(first byte, payload string) []byte { return masked(first, []byte(payload)) }

// Opcodes and bits of RFC 6455, 5.2, without FIN.
const (
	fin        = 0x80
	more       = 0x00
	opContinue = 0x0
	opText     = 0x1
	opBinary   = 0x2
)

func framing() []row {
	rows := []row{
		{"5.1", "unmasked frame", [][]byte{unmasked(textFrame, []byte("x"))}, nil, nil, 1002},
		{"5.1", "unmasked control frame", [][]byte{unmasked(pingFrame, []byte("x"))}, nil, nil, 1002},
		{"5.2", "length in 16 bits that 7 would hold", [][]byte{{textFrame, 0x80 | 126, 0, 1, 0, 0, 0, 0, 'x'}}, []string{"x"}, nil, 0},
		{"5.2", "length in 64 bits that 7 would hold", [][]byte{{textFrame, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'x'}}, []string{"x"}, nil, 0},
		{"5.2", "length with its highest bit set", [][]byte{{textFrame, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'x'}}, nil, nil, 1009},
		{"5.2", "longest length", [][]byte{{textFrame, 0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}}, nil, nil, 1009},
		{"5.3", "mask of zeros", [][]byte{{textFrame, 0x80 | 1, 0, 0, 0, 0, 'x'}}, []string{"x"}, nil, 0},
		{"5.4", "byte after byte", bytes.SplitAfter(ofClient(textFrame, "slowly"), nil), []string{"slowly"}, nil, 0},
		{"5.6", "empty text", [][]byte{ofClient(textFrame, "")}, []string{""}, nil, 0},
		{"5.6", "binary", [][]byte{ofClient(fin|opBinary, "x")}, nil, nil, 1003},
		{"5.6", "empty binary", [][]byte{ofClient(fin|opBinary, "")}, nil, nil, 1003},
		{"7.4.1", "message larger than the limit", [][]byte{ofClient(textFrame, strings.Repeat("x", 64<<10+1))}, nil, nil, 1009},
	}
	for _, bits := range []byte{0x40, 0x20, 0x10, 0x70} {
		for _, first := range []byte{textFrame, fin | opContinue, pingFrame, closeFrame} {
			rows = append(rows, row{"5.2", fmt.Sprintf("reserved bits %#x of %#x", bits, first), [][]byte{ofClient(first|bits, "")}, nil, nil, 1002})
		}
	}
	for _, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		rows = append(rows,
			row{"5.2", fmt.Sprintf("reserved opcode %d", opcode), [][]byte{ofClient(fin|opcode, "x")}, nil, nil, 1002},
			row{"5.2", fmt.Sprintf("reserved opcode %d after a message", opcode), [][]byte{ofClient(textFrame, "x"), ofClient(fin|opcode, "")}, []string{"x"}, nil, 1002})
	}
	return rows
}

func controls() []row {
	const longest = maxControl
	long := strings.Repeat("p", longest)
	pong := func(payload string) []frame { return []frame{{pongFrame, payload}} }
	return []row{
		{"5.5.2", "ping", [][]byte{ofClient(pingFrame, "")}, nil, pong(""), 0},
		{"5.5.2", "ping with a payload that is not text", [][]byte{ofClient(pingFrame, "\x00\xff")}, nil, pong("\x00\xff"), 0},
		{"5.5.2", "longest ping", [][]byte{ofClient(pingFrame, long)}, nil, pong(long), 0},
		{"5.5", "ping of 126 bytes", [][]byte{ofClient(pingFrame, long+"p")}, nil, nil, 1002},
		{"5.5", "pong of 126 bytes", [][]byte{ofClient(pongFrame, long+"p")}, nil, nil, 1002},
		{"5.5", "close of 126 bytes", [][]byte{ofClient(closeFrame, "\x03\xe8"+long[1:])}, nil, nil, 1002},
		{"5.5", "ping in fragments", [][]byte{ofClient(pingFrame&^fin, "x")}, nil, nil, 1002},
		{"5.5", "pong in fragments", [][]byte{ofClient(pongFrame&^fin, "x")}, nil, nil, 1002},
		{"5.5", "close in fragments", [][]byte{ofClient(closeFrame&^fin, "")}, nil, nil, 1002},
		{"5.5.3", "unsolicited pong", [][]byte{ofClient(pongFrame, "x")}, nil, nil, 0},
		{"5.5.2", "ten pings at once", slices.Repeat([][]byte{ofClient(pingFrame, "x")}, 10), nil, slices.Repeat(pong("x"), 10), 0},
		{"5.4", "ping inside a message", [][]byte{
			ofClient(more|opText, "a"), ofClient(pingFrame, "now"), ofClient(fin|opContinue, "b"),
		}, []string{"ab"}, pong("now"), 0},
		{"5.4", "pong inside a message", [][]byte{
			ofClient(more|opText, "a"), ofClient(pongFrame, ""), ofClient(fin|opContinue, "b"),
		}, []string{"ab"}, nil, 0},
		{"5.5.1", "close inside a message", [][]byte{ofClient(more|opText, "a"), ofClient(closeFrame, "\x03\xe8")}, nil, nil, 1000},
		{"5.5.1", "nothing is heard after a close", [][]byte{ofClient(closeFrame, "\x03\xe8"), ofClient(textFrame, "x")}, nil, nil, 1000},
	}
}

func fragments() []row {
	rows := []row{
		{"5.4", "two fragments", [][]byte{ofClient(more|opText, "a"), ofClient(fin|opContinue, "b")}, []string{"ab"}, nil, 0},
		{"5.4", "empty fragments", [][]byte{
			ofClient(more|opText, ""), ofClient(more|opContinue, ""), ofClient(fin|opContinue, ""),
		}, []string{""}, nil, 0},
		{"5.4", "empty fragments around the text", [][]byte{
			ofClient(more|opText, ""), ofClient(more|opContinue, "x"), ofClient(fin|opContinue, ""),
		}, []string{"x"}, nil, 0},
		{"5.4", "two messages in fragments", [][]byte{
			ofClient(more|opText, "a"), ofClient(fin|opContinue, "b"), ofClient(more|opText, "c"), ofClient(fin|opContinue, "d"),
		}, []string{"ab", "cd"}, nil, 0},
		{"5.4", "binary in fragments", [][]byte{ofClient(more|opBinary, "a"), ofClient(fin|opContinue, "b")}, nil, nil, 1003},
		{"5.4", "continuation of nothing", [][]byte{ofClient(fin|opContinue, "x")}, nil, nil, 1002},
		{"5.4", "continuation of nothing, unfinished", [][]byte{ofClient(more|opContinue, "x")}, nil, nil, 1002},
		{"5.4", "continuation of a finished message", [][]byte{ofClient(textFrame, "x"), ofClient(fin|opContinue, "y")}, []string{"x"}, nil, 1002},
		{"5.4", "new message inside a message", [][]byte{ofClient(more|opText, "a"), ofClient(textFrame, "b")}, nil, nil, 1002},
		{"5.4", "new fragments inside a message", [][]byte{ofClient(more|opText, "a"), ofClient(more|opText, "b")}, nil, nil, 1002},
		{"5.4", "binary inside a text", [][]byte{ofClient(more|opText, "a"), ofClient(fin|opBinary, "b")}, nil, nil, 1002},
	}
	var many [][]byte
	for i := range 1000 {
		first := byte(opContinue)
		if i == 0 {
			first = opText
		}
		many = append(many, ofClient(more|first, "x"))
	}
	many = append(many, ofClient(fin|opContinue, "x"))
	return append(rows, row{"5.4", "a thousand fragments", many, []string{strings.Repeat("x", 1001)}, nil, 0})
}

func texts() []row {
	var rows []row
	for _, text := range []string{
		"κόσμε", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0010ffff",
	} {
		rows = append(rows, row{"5.6", fmt.Sprintf("text %+q", text), [][]byte{ofClient(textFrame, text)}, []string{text}, nil, 0})
		var split [][]byte
		for i := range len(text) {
			first := byte(opContinue)
			if i == 0 {
				first = opText
			}
			if i == len(text)-1 {
				first |= fin
			}
			split = append(split, ofClient(first, text[i:i+1]))
		}
		rows = append(rows, row{"5.6", fmt.Sprintf("text %+q, each byte a fragment", text), split, []string{text}, nil, 0})
	}
	for _, text := range []string{
		"\x80", "\xbf", "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xed\xa0\x80\xed\xb0\x80", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "fine at first \xff",
	} {
		rows = append(rows, row{"8.1", fmt.Sprintf("invalid text %+q", text), [][]byte{ofClient(textFrame, text)}, nil, nil, 1007})
		rows = append(rows, row{"8.1", fmt.Sprintf("invalid text %+q in fragments", text), [][]byte{
			ofClient(more|opText, text[:1]), ofClient(fin|opContinue, text[1:]),
		}, nil, nil, 1007})
	}
	return rows
}

func closes() []row {
	body := func(code int, reason string) string { return string([]byte{byte(code >> 8), byte(code)}) + reason }
	rows := []row{
		{"5.5.1", "close without a body", [][]byte{ofClient(closeFrame, "")}, nil, nil, 1000},
		{"5.5.1", "close with a body of one byte", [][]byte{ofClient(closeFrame, "\x03")}, nil, nil, 1002},
		{"5.5.1", "close with a body of one byte after a message", [][]byte{ofClient(textFrame, "x"), ofClient(closeFrame, "\x03")}, []string{"x"}, nil, 1002},
		{"5.5.1", "close with a reason", [][]byte{ofClient(closeFrame, body(1000, "κόσμε"))}, nil, nil, 1000},
		{"5.5.1", "close with the longest reason", [][]byte{ofClient(closeFrame, body(1000, strings.Repeat("r", 123)))}, nil, nil, 1000},
		{"5.5.1", "close with a reason that is not UTF-8", [][]byte{ofClient(closeFrame, body(1000, "\xff"))}, nil, nil, 1002},
		{"5.5.1", "two closes", [][]byte{ofClient(closeFrame, body(1000, "")), ofClient(closeFrame, body(1001, ""))}, nil, nil, 1000},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		rows = append(rows, row{"7.4", fmt.Sprint("close code ", code), [][]byte{ofClient(closeFrame, body(code, ""))}, nil, nil, code})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535} {
		rows = append(rows, row{"7.4", fmt.Sprint("invalid close code ", code), [][]byte{ofClient(closeFrame, body(code, ""))}, nil, nil, 1002})
	}
	return rows
}
