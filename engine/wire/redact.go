package wire

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Redact returns a copy of JSON text in which the value of every member that is called password, key, token, secret or
// authorization, in upper or lower case and at any depth, is "[redacted]". Everything else stays as it is written. Text that
// is not exactly one JSON value becomes null, since it cannot be redacted.
func Redact(text []byte) []byte { return redact(text, isSecret) }

// RedactHeaders does the same to members that are called like header fields with secrets: authorization, proxy-authorization, cookie
// and set-cookie, and cookies.
func RedactHeaders(text []byte) []byte { return redact(text, IsSecretHeader) }

// redact replaces the values of the members whose names are secret.
func redact(text []byte, secret func(name string) bool) []byte {
	if !utf8.Valid(text) {
		return []byte("null")
	}
	s := newScanner(text)
	defer s.release()
	clean, err := s.redact(text, secret)
	if err != nil {
		return []byte("null")
	}
	return clean
}

func (s *scanner) redact(text []byte, secret func(name string) bool) ([]byte, error) {
	clean := make([]byte, 0, len(text)+len(`"[redacted]"`))
	copied := 0 // everything before this offset is in clean or was replaced
	for first := true; first || s.StackDepth() > 0; first = false {
		token, err := s.ReadToken()
		if err != nil {
			return nil, err
		}
		if !s.isName(token) || !secret(token.String()) {
			continue
		}
		value, err := s.ReadValue()
		if err != nil {
			return nil, err
		}
		end := int(s.InputOffset())
		clean = append(clean, text[copied:end-len(value)]...)
		clean = append(clean, `"[redacted]"`...)
		copied = end
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	return append(clean, text[copied:]...), nil
}

// isName reports whether the token that was read last is the name of a member.
func (s *scanner) isName(token jsontext.Token) bool {
	if token.Kind() != jsontext.KindString {
		return false
	}
	// Names and values are counted separately, so an odd count means that a value follows.
	in, count := s.StackIndex(s.StackDepth())
	return in == jsontext.KindBeginObject && count%2 == 1
}

func isSecret(name string) bool {
	return isOneOf(name, "password", "key", "token", "secret", "authorization")
}

// IsSecretHeader reports whether RedactHeaders redacts the value of a member.
func IsSecretHeader(name string) bool {
	return isOneOf(name, "authorization", "proxy-authorization", "cookie", "cookies", "set-cookie")
}

func isOneOf(name string, names ...string) bool {
	return slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(name, other) })
}
