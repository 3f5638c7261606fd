// Package wire is what travels: the JSON envelope of messages both ways, the exceptions that clients are told of, and
// the codes and reasons with which connections are closed. It knows no socket, no queue and no script: what a message
// carries reaches it as a [Value] or as [Fields], and leaves it as bytes.
//
// Everything in it may be called by any goroutine.
package wire

import "github.com/go-json-experiment/json/jsontext"

// Value is a plain value that can write itself as JSON.
type Value interface {
	// AppendJSON appends one complete JSON value to dst and returns the extended slice. After an error what was
	// appended is undefined.
	AppendJSON(dst []byte) ([]byte, error)
}

// Fields are what a message carries besides its envelope.
type Fields interface {
	// AppendMembers appends the members of a JSON object without the braces, such as `"a":1,"b":2`, or nothing, and
	// returns the extended slice. It leaves out id, name and timestamp, which belong to the envelope. After an error
	// what was appended is undefined.
	AppendMembers(dst []byte) ([]byte, error)
}

// Raw is JSON text that is ready to travel. Whoever makes one answers for its validity.
type Raw []byte

var _ Value = Raw(nil)

// AppendJSON appends the text as it is, null where there is none.
func (r Raw) AppendJSON(dst []byte) ([]byte, error) {
	if len(r) == 0 {
		return append(dst, "null"...), nil
	}
	return append(dst, r...), nil
}

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, control characters are escaped.
func AppendString(dst []byte, s string) []byte {
	// The error only tells that something was replaced.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}
