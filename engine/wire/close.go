package wire

import (
	"fmt"
	"net/http"
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
	CodeTakenOver       = 4409
	CodePageLeft        = 4410 // sent by clients only
	CodeTooManyMessages = 4429
)

// CodeClass returns the name under which a close code is counted. The codes above have their number as the name, all others
// that of their range (RFC 6455, 7.4.2), so that clients and applications cannot create any number of names.
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
		CodeTooLarge, CodeInternal, CodeRestart, CodeTryLater, CodeTooManyFailures, CodeTooSlow, CodeTakenOver, CodePageLeft, CodeTooManyMessages,
	}
}

// maxReason is the longest reason in bytes: a control frame carries 125, the code takes two (RFC 6455, 5.5).
const maxReason = 123

// Close is the code and reason with which a connection is closed. The reasons are part of the protocol: clients may compare
// them.
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

// CloseWith is a close with a code of the application's or client's choice; 0 stands for 1000. A code that a server must not
// send is an error (RFC 6455, 7.4); a reason that is too long is cut.
func CloseWith(code int, reason string) (Close, error) {
	if code == 0 {
		code = CodeNormal
	}
	if !CanSend(code) {
		return Close{}, fmt.Errorf("close code %d must not be sent: use 1000, or 3000 to 4999 for reasons of your own", code)
	}
	return Close{code, ClampReason(reason)}, nil
}

// CanSend reports whether a server may send a code in a close frame.
func CanSend(code int) bool {
	switch code {
	case CodeNormal, CodeGoingAway, CodeProtocol, CodeUnsupported, CodeInvalidData, CodePolicy, CodeTooLarge,
		CodeInternal, CodeRestart, CodeTryLater, 1014: // 1014 is a bad gateway
		return true
	}
	return code >= 3000 && code <= 4999
}

// ClampReason makes a reason valid for a close frame: valid UTF-8, at most 123 bytes, cut at a rune boundary.
func ClampReason(reason string) string {
	return clip(strings.ToValidUTF8(reason, "\uFFFD"), maxReason)
}

// CloseNormal is a close that the client or a script asked for. Clients do not reconnect.
func CloseNormal(reason string) Close { return Close{CodeNormal, ClampReason(reason)} }

// CloseShutdown is for the end of the server. Clients reconnect after a random 1 to 5 s.
func CloseShutdown() Close { return Close{CodeGoingAway, "server shutting down"} }

// CloseRestart is for a stop after which a supervisor starts the server again. Clients reconnect after a random 1 to 5 s.
func CloseRestart() Close { return Close{CodeRestart, "server restarting"} }

// CloseNoPong is for a client that answers no ping. The frame is sent although it may never arrive.
func CloseNoPong() Close { return Close{CodeGoingAway, "no pong"} }

// CloseProtocol is for a client that violates the WebSocket protocol.
func CloseProtocol(reason string) Close { return Close{CodeProtocol, ClampReason(reason)} }

// CloseBinary is for a binary message.
func CloseBinary() Close { return Close{CodeUnsupported, "binary messages are not accepted"} }

// CloseInvalidUTF8 is for a text message that is not UTF-8.
func CloseInvalidUTF8() Close { return Close{CodeInvalidData, "invalid UTF-8"} }

// CloseCorrupt is for a compressed message that cannot be decompressed.
func CloseCorrupt() Close { return Close{CodeInvalidData, "invalid compressed data"} }

// CloseBadRequest is for a client that sends bad messages again and again.
func CloseBadRequest() Close { return Close{CodePolicy, "bad request"} }

// CloseTooLarge is for a message of more than limit bytes.
func CloseTooLarge(limit int64) Close {
	return Close{CodeTooLarge, "message larger than " + strconv.FormatInt(limit, 10) + " bytes"}
}

// CloseInternal is for an internal error on this connection. Clients reconnect with growing pauses.
func CloseInternal() Close { return Close{CodeInternal, "internal error"} }

// CloseFull is for a client that connects while the server is full, after a [TooManyConnections]. Clients reconnect with
// growing pauses.
func CloseFull() Close { return Close{CodeTryLater, "server is full"} }

// CloseRefused is for a client whose request the application has refused with an HTTP status. For 401, 403, 404 and 429 the code is 4000
// plus the status. Clients reconnect after 429, 500 and 503, but not after the others.
func CloseRefused(status int, reason string) Close {
	code := 4000 + status
	switch status {
	case http.StatusServiceUnavailable:
		code = CodeTryLater
	case http.StatusInternalServerError:
		code = CodeInternal
	}
	return Close{code, ClampReason(reason)}
}

// CloseTooManyFailures is for a client that keeps guessing the password.
func CloseTooManyFailures() Close {
	return Close{CodeTooManyFailures, "too many failed authentications"}
}

// CloseTooSlow is for a client that does not read what it is sent. Clients reconnect with growing pauses.
func CloseTooSlow() Close { return Close{CodeTooSlow, "too slow"} }

// CloseTakenOver is for a socket whose client has come back on another one. Clients do not reconnect.
func CloseTakenOver() Close { return Close{CodeTakenOver, "taken over"} }

// CloseTooManyMessages is for a client that exceeds its rate limit for long. Clients reconnect after 30 s.
func CloseTooManyMessages() Close { return Close{CodeTooManyMessages, "too many messages"} }

// CloseAbnormal stands for a connection that ended without a close frame. It is never sent.
func CloseAbnormal() Close { return Close{Code: CodeAbnormal} }
