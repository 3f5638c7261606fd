package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"

	"perigee/engine/platform"
)

// Errors of this package. Their texts are values of Error.Reason.
var (
	errURL             = errors.New("bad url")
	errScheme          = errors.New("neither http nor https")
	errRequest         = errors.New("bad request")
	errRequestTooLarge = errors.New("request too large")
	errTooLarge        = errors.New("too large")
	errTooMany         = errors.New("too many requests")
	errRedirects       = errors.New("too many redirects")
	errPrivate         = errors.New("redirect to a private address")
)

// errSwitched is a cause without a reason of its own, since no request asks for another protocol.
var errSwitched = errors.New("the server switched to another protocol")

// Error is the error of a request.
type Error struct {
	// Reason is short and does not change between versions. It is one of those above, "timeout", "refused", "unreachable",
	// "unknown host", "bad certificate", "closed", "cancelled", or "failed" for all other errors.
	Reason string
	cause  error
}

// Reasons returns all reasons of an Error.
func Reasons() []string {
	all := []string{"timeout", "refused", "unreachable", "unknown host", "bad certificate", "closed", "cancelled", "failed"}
	for _, own := range []error{errURL, errScheme, errRequestTooLarge, errRequest, errTooLarge, errTooMany, errRedirects, errPrivate} {
		all = append(all, own.Error())
	}
	return all
}

// Failure returns an error with that reason, for a replacement of Client in specs.
func Failure(reason string) *Error { return &Error{reason, errors.New(reason)} }

func (e *Error) Error() string {
	text := "fetch: " + e.Reason
	if cause := e.cause.Error(); cause != e.Reason {
		text += ": " + cause
	}
	return text
}

// Unwrap returns the error of net/http.
func (e *Error) Unwrap() error { return e.cause }

// failure adds the reason to an error, and removes the URL from it, since that may contain secrets.
func failure(err error) *Error {
	e := &Error{Reason: reason(err), cause: err}
	if at, ok := errors.AsType[*url.Error](err); ok {
		e.cause = at.Err
	}
	return e
}

func reason(err error) string {
	for _, own := range []error{errURL, errScheme, errRequestTooLarge, errRequest, errTooLarge, errTooMany, errRedirects, errPrivate} {
		if errors.Is(err, own) {
			return own.Error()
		}
	}
	var timeout interface{ Timeout() bool }
	var host *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &host):
		return "unknown host"
	case errors.As(err, &certificate):
		return "bad certificate"
	case errors.Is(err, platform.ConnectionRefused):
		return "refused"
	case errors.Is(err, platform.HostUnreachable), errors.Is(err, platform.NetworkUnreachable):
		return "unreachable"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, platform.ConnectionReset), errors.Is(err, syscall.EPIPE):
		return "closed"
	case strings.Contains(err.Error(), "invalid header field"), strings.Contains(err.Error(), "invalid method"):
		return errRequest.Error() // net/http has no error value for it
	}
	return "failed"
}
