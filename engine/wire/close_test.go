package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCloses(t *testing.T) {
	// Codes and reasons are the protocol's, word for word, and fit into a close frame.
	for _, c := range []struct {
		got  Close
		want string
	}{
		{CloseNormal(""), "1000"},
		{CloseNormal("bye"), "1000 bye"},
		{CloseShutdown(), "1001 server shutting down"},
		{CloseNoPong(), "1001 no pong"},
		{CloseProtocol("bad opcode 3"), "1002 bad opcode 3"},
		{CloseBinary(), "1003 binary messages are not accepted"},
		{CloseAbnormal(), "1006"},
		{CloseInvalidUTF8(), "1007 invalid UTF-8"},
		{CloseBadRequest(), "1008 bad request"},
		{CloseTooLarge(65536), "1009 message larger than 65536 bytes"},
		{CloseInternal(), "1011 internal error"},
		{CloseRestart(), "1012 server restarting"},
		{CloseFull(), "1013 server is full"},
		{CloseRefused(401, "sign in"), "4401 sign in"},
		{CloseRefused(404, strings.Repeat("ö", 100)), "4404 " + strings.Repeat("ö", 61)},
		{CloseRefused(500, "broken"), "1011 broken"},
		{CloseRefused(503, "busy"), "1013 busy"},
		{CloseTooManyFailures(), "4401 too many failed authentications"},
		{CloseTooSlow(), "4408 too slow"},
		{CloseTooManyMessages(), "4429 too many messages"},
	} {
		if c.got.String() != c.want || len(c.got.Reason) > maxReason {
			t.Errorf("close is %q, want %q", c.got, c.want)
		}
		if CanSend(c.got.Code) != (c.got.Code != CodeAbnormal) {
			t.Errorf("CanSend(%d) = %t, want all but 1006", c.got.Code, CanSend(c.got.Code))
		}
	}
}

func TestCloseWith(t *testing.T) {
	// Only codes that RFC 6455, 7.4, lets a server send are taken; 0 is 1000.
	for _, code := range []int{0, 1000, 1003, 1007, 1011, 1014, 3000, 4999} {
		want := Close{max(code, 1000), "why"}
		if got, err := CloseWith(code, "why"); err != nil || got != want {
			t.Errorf("CloseWith(%d, why) = %v, %v, want %v", code, got, err, want)
		}
	}
	for _, code := range []int{-1, 1, 999, 1004, 1005, 1006, 1010, 1015, 1016, 2999, 5000, 70000} {
		if got, err := CloseWith(code, "why"); err == nil {
			t.Errorf("CloseWith(%d, why) = %v, nil, want an error", code, got)
		}
	}
}

func TestClampReason(t *testing.T) {
	// A reason is at most 123 bytes of valid UTF-8 and is never cut inside a rune.
	for reason, want := range map[string]string{
		"":                            "",
		"bye":                         "bye",
		"a\xffb":                      "a\uFFFDb",
		strings.Repeat("x", 123):      strings.Repeat("x", 123),
		strings.Repeat("x", 124):      strings.Repeat("x", 123),
		strings.Repeat("é", 70):       strings.Repeat("é", 61),
		"x" + strings.Repeat("é", 70): "x" + strings.Repeat("é", 61),
		strings.Repeat("😀", 40):       strings.Repeat("😀", 30),
		strings.Repeat("\xff", 300):   "\uFFFD",
	} {
		if got := ClampReason(reason); got != want || !utf8.ValidString(got) {
			t.Errorf("ClampReason(%q) = %q, want %q", reason, got, want)
		}
	}
}

func TestExceptions(t *testing.T) {
	// Words and codes are the protocol's; previous is there only when known.
	for _, c := range []struct {
		exception Exception
		previous  string
		want      string
	}{
		{InvalidMessage("no name"), "", `"exception":"InvalidMessage","message":"no name","code":400`},
		{UnknownMessage("Ring", ""), "7", `"exception":"UnknownMessage","message":"unknown message Ring","code":404,"previous":"7"`},
		{UnknownMessage("Rign", "Ring"), "", `"exception":"UnknownMessage","message":"unknown message Rign; did you mean Ring?","code":404`},
		{UnknownMessage(strings.Repeat("x", 65), ""), "", `"exception":"UnknownMessage","message":"unknown message ` + strings.Repeat("x", 64) + `...","code":404`},
		{InvalidFields("prize is required"), "", `"exception":"InvalidFields","message":"prize is required","code":422`},
		{TooManyMessages(), "", `"exception":"TooManyMessages","message":"too many messages","code":429`},
		{HandlerFailed("8f3a"), "", `"exception":"HandlerFailed","message":"internal error (ref 8f3a)","code":500`},
		{TooManyConnections(), "", `"exception":"TooManyConnections","message":"server is full","code":503`},
	} {
		if got, err := c.exception.Fields(c.previous).AppendMembers(nil); err != nil || string(got) != c.want {
			t.Errorf("%v.Fields(%q) = %s, %v, want %s", c.exception, c.previous, got, err, c.want)
		}
	}
}

// However many codes there are, few names stand for them, and those of the protocol have their own.
func TestCodeClass(t *testing.T) {
	seen := map[string]bool{}
	for code := -1; code < 6000; code++ {
		seen[CodeClass(code)] = true
	}
	classes := CodeClasses()
	for _, class := range classes {
		if !seen[class] {
			t.Errorf("CodeClasses has %q, which stands for no code", class)
		}
	}
	if len(seen) != len(classes) || len(classes) > 20 {
		t.Errorf("all codes have %d names, CodeClasses has %d, want the same and 20 at most", len(seen), len(classes))
	}
	for code, want := range map[int]string{1000: "1000", 1006: "1006", 4408: "4408", 3000: "3xxx", 4000: "4xxx", 1015: "other", 5000: "other"} {
		if got := CodeClass(code); got != want {
			t.Errorf("CodeClass(%d) = %q, want %q", code, got, want)
		}
	}
}
