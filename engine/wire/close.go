package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Close codes of RFC 6455, 7.4.1, of IANA's registry of WebSocket close codes, and the server's own (4000-4999).
const (
	CodeNormal      = 1000
	CodeGoingAway   = 1001
	CodeProtocol    = 1002
	CodeUnsupported = 1003
	CodeNoStatus    = 1005 // stands for a close frame without a code; never sent
	CodeAbnormal    = 1006 // stands for a connection that ended without a close frame; never sent
	CodeInvalidData = 1007
	CodePolicy      = 1008
	CodeTooLarge    = 1009
	CodeInternal    = 1011
	CodeRestart     = 1012
	CodeTryLater    = 1013

	CodeTooManyFailures = 4401
	CodeTooSlow         = 4408
	CodeTooManyMessages = 4429
)

// CodeClass names a close code for counts, so that few names stand for all codes that clients and applications may choose:
// those above are named by their number, others by where they come from (RFC 6455, 7.4.2).
func CodeClass(code int) string {
	switch {
	case slices.Contains(codes(), code):
		return strconv.Itoa(code)
	case code >= 3000 && code <= 3999:
		return "3xxx"
	case code >= 4000 && code <= 4999:
		return "4xxx"
	}
	return "other"
}

// CodeClasses are all names that CodeClass returns.
func CodeClasses() []string {
	classes := []string{"3xxx", "4xxx", "other"}
	for _, code := range codes() {
		classes = append(classes, strconv.Itoa(code))
	}
	return classes
}

func codes() []int {
	return []int{
		CodeNormal, CodeGoingAway, CodeProtocol, CodeUnsupported, CodeNoStatus, CodeAbnormal, CodeInvalidData, CodePolicy,
		CodeTooLarge, CodeInternal, CodeRestart, CodeTryLater, CodeTooManyFailures, CodeTooSlow, CodeTooManyMessages,
	}
}

// maxReason is the longest reason in bytes: a control frame carries 125, the code takes two (RFC 6455, 5.5).
const maxReason = 123

// Close is how a connection ends, in a close frame or in its place. The reasons are part of the protocol: clients may
// compare them.
type Close struct {
	Code   int
	Reason string
}

// String returns code and reason for the log.
func (c Close) String() string {
	if c.Reason == "" {
		return strconv.Itoa(c.Code)
	}
	return strconv.Itoa(c.Code) + " " + c.Reason
}

// CloseWith is a close by an application or a peer, with a code of its own; 0 stands for 1000. A code that must not
// stand in a close frame of a server is an error (RFC 6455, 7.4); a reason that is too long is clamped.
func CloseWith(code int, reason string) (Close, error) {
	if code == 0 {
		code = CodeNormal
	}
	if !CanSend(code) {
		return Close{}, fmt.Errorf("wire: close code %d must not be sent: take 1000, or 3000 to 4999 for reasons of your own", code)
	}
	return Close{code, ClampReason(reason)}, nil
}

// CanSend tells whether a server may put a code into a close frame.
func CanSend(code int) bool {
	switch code {
	case CodeNormal, CodeGoingAway, CodeProtocol, CodeUnsupported, CodeInvalidData, CodePolicy, CodeTooLarge,
		CodeInternal, CodeRestart, CodeTryLater, 1014: // 1014 is a bad gateway
		return true
	}
	return code >= 3000 && code <= 4999
}

// ClampReason makes a reason fit for a close frame: valid UTF-8, at most 123 bytes, cut at a rune boundary.
func ClampReason(reason string) string {
	return clip(strings.ToValidUTF8(reason, "\uFFFD"), maxReason)
}

// CloseNormal is a close that the client or a script asked for. Clients stay away.
func CloseNormal(reason string) Close { return Close{CodeNormal, ClampReason(reason)} }

// CloseShutdown is for the end of the server. Clients return after 1-5 s, at random.
func CloseShutdown() Close { return Close{CodeGoingAway, "server shutting down"} }

// CloseRestart is for a stop after which a supervisor starts the server again. Clients return after 1-5 s, at random.
func CloseRestart() Close { return Close{CodeRestart, "server restarting"} }

// CloseNoPong is for a peer that is gone: it answers no ping. The frame is sent in the hope that somebody reads it.
func CloseNoPong() Close { return Close{CodeGoingAway, "no pong"} }

// CloseProtocol is for a peer that breaks the WebSocket protocol; the reason comes from whoever noticed.
func CloseProtocol(reason string) Close { return Close{CodeProtocol, ClampReason(reason)} }

// CloseBinary is for a binary message.
func CloseBinary() Close { return Close{CodeUnsupported, "binary messages are not accepted"} }

// CloseInvalidUTF8 is for a text message that is not UTF-8.
func CloseInvalidUTF8() Close { return Close{CodeInvalidData, "invalid UTF-8"} }

// CloseBadRequest is for a client that sends bad messages again and again.
func CloseBadRequest() Close { return Close{CodePolicy, "bad request"} }

// CloseTooLarge is for a message of more than limit bytes.
func CloseTooLarge(limit int64) Close {
	return Close{CodeTooLarge, "message larger than " + strconv.FormatInt(limit, 10) + " bytes"}
}

// CloseInternal is for a fault of the server on this connection. Clients return with growing pauses.
func CloseInternal() Close { return Close{CodeInternal, "internal error"} }

// CloseFull is for a client that comes when the server is full, after a [TooManyConnections]. Clients return with
// growing pauses.
func CloseFull() Close { return Close{CodeTryLater, "server is full"} }

// CloseTooManyFailures is for a client that keeps guessing the password.
func CloseTooManyFailures() Close {
	return Close{CodeTooManyFailures, "too many failed authentications"}
}

// CloseTooSlow is for a client that does not read what it is sent. Clients return with growing pauses.
func CloseTooSlow() Close { return Close{CodeTooSlow, "too slow"} }

// CloseTooManyMessages is for a client that breaks its rate limit for long. Clients return after 30 s.
func CloseTooManyMessages() Close { return Close{CodeTooManyMessages, "too many messages"} }

// CloseLost stands for a connection that ended without a close frame. It is never sent.
func CloseLost(reason string) Close { return Close{CodeAbnormal, ClampReason(reason)} }
