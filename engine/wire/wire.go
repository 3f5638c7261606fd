// Package wire owns the protocol between clients and server: the JSON envelope of messages, exceptions, and the codes and
// reasons with which connections are closed. It must not know sockets, queues or scripts: it gets the contents of a message as
// a [Value] or as [Fields], and turns them into bytes.
//
// All of it is safe for concurrent use.
package wire

import "github.com/go-json-experiment/json/jsontext"

// Value is a value that can write itself as JSON.
type Value interface {
	// AppendJSON appends one complete JSON value to dst and returns the extended slice. After an error,
	// the appended bytes are undefined.
	AppendJSON(dst []byte) ([]byte, error)
}

// Fields are the fields of a message without its envelope.
type Fields interface {
	// AppendMembers appends the members of a JSON object without the braces, such as `"a":1,"b":2`, or nothing, and
	// returns the extended slice. It leaves out id, name and timestamp, which belong to the envelope. After an error
	// the appended bytes are undefined.
	AppendMembers(dst []byte) ([]byte, error)
}

// Raw is JSON text that is written as it is. It must be valid.
type Raw []byte

var _ Value = Raw(nil)

// AppendJSON appends the text, or null if it is empty.
func (r Raw) AppendJSON(dst []byte) ([]byte, error) {
	if len(r) == 0 {
		return append(dst, "null"...), nil
	}
	return append(dst, r...), nil
}

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, control characters are escaped.
func AppendString(dst []byte, s string) []byte {
	// An error only reports that invalid UTF-8 was replaced.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// Texts are strings as a list.
type Texts []string

var _ Value = Texts(nil)

// AppendJSON appends the list.
func (list Texts) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, '[')
	for i, text := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, text)
	}
	return append(dst, ']'), nil
}
