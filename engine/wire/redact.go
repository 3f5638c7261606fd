package wire

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// redacted stands for each value that is hidden.
const redacted = "[redacted]"

// Redactor hides secrets: the values of members that are called password, key, token, secret or authorization, or by another name
// that it was made with, in upper or lower case. The zero Redactor has no other names. It is safe for concurrent use.
type Redactor struct {
	names []string       // the other ones
	pairs *regexp.Regexp // finds secrets in text that is not JSON; nil in the zero Redactor
}

// NewRedactor returns a Redactor that also hides the values of members with these names.
func NewRedactor(names []string) Redactor {
	all := slices.Concat(secretNames(), secretHeaders(), names)
	for i, name := range all {
		all[i] = regexp.QuoteMeta(name)
	}
	// NAME=VALUE, NAME: "VALUE", "NAME":VALUE, Authorization: Bearer VALUE, Bearer VALUE
	return Redactor{names: slices.Clone(names), pairs: regexp.MustCompile(`(?i)((?:^|[^\w.-])(?:` + strings.Join(all, "|") +
		`)(?:["']?\s*=\s*|["']\s*:\s*|:\s*(?:(?:bearer|basic)\s+|["']))|\b(?:bearer|basic)\s+)("[^"]*|'[^']*|[^\s,;&"'{}()\[\]]+)`)}
}

// JSON returns a copy of JSON text in which the values of secret members, at any depth, are "[redacted]". Everything else stays
// as it is written. Text that is not exactly one JSON value becomes null, since it cannot be redacted.
func (r Redactor) JSON(text []byte) []byte { return redact(text, r.isSecret) }

// Text returns text that is not JSON, such as an error or a log line, without the secrets that follow their names: password=x,
// "token": "x", Authorization: Bearer x. It finds no others.
func (r Redactor) Text(text string) string {
	if r.pairs == nil {
		r = NewRedactor(r.names)
	}
	return r.pairs.ReplaceAllString(text, "${1}"+redacted)
}

// Show returns the beginning of JSON text, of at most limit bytes, for people. size is the length of the whole text, of which text
// is the beginning. It hides what JSON hides, cookies, and the secrets inside of strings: those of JSON and of [Redactor.Text], and
// serialized PHP objects as a whole. Of text that is not JSON it returns only how long it is.
func (r Redactor) Show(text []byte, limit, size int) string {
	s := newScanner(text)
	defer s.release()
	clean, read, err := s.redact(text, limit, r.Hides, r.hide)
	if err == nil && read < limit {
		read = len(text) // white space follows, or what no reader of JSON sees
	}
	left := size - read
	if len(clean) > limit {
		cut := clip(clean, limit)
		left, clean = left+len(clean)-len(cut), cut
	}
	if left > 0 {
		return fmt.Sprintf("%s... (%d more bytes)", clean, left)
	}
	return string(clean)
}

// hide returns a string of JSON without the secrets in it.
func (r Redactor) hide(text string) string {
	switch trimmed := strings.TrimSpace(text); {
	case strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "["):
		if clean := r.Show([]byte(text), math.MaxInt, len(text)); clean != text {
			return clean
		}
		return text
	case len(trimmed) > 1 && strings.ContainsRune("aOC", rune(trimmed[0])) && trimmed[1] == ':':
		return "[PHP object]"
	}
	return r.Text(text)
}

// RedactHeaders replaces the values of members that are called like header fields with secrets: authorization, proxy-authorization,
// cookie and set-cookie, and cookies. Otherwise it does what [Redactor.JSON] does.
func RedactHeaders(text []byte) []byte { return redact(text, IsSecretHeader) }

// redact replaces the values of the members whose names are secret.
func redact(text []byte, secret func(name string) bool) []byte {
	if !utf8.Valid(text) {
		return []byte("null")
	}
	s := newScanner(text)
	defer s.release()
	clean, read, err := s.redact(text, len(text), secret, nil)
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return []byte("null")
	}
	return append(clean, text[read:]...)
}

// redact reads a value until its end, the first error, or the end of a token behind the first limit bytes. It returns what it has
// read, in which the values of members with secret names are replaced, and other strings by what hide returns for them, unless that
// is nil. read is how many bytes of text that was.
func (s *scanner) redact(text []byte, limit int, secret func(name string) bool, hide func(text string) string) (clean []byte, read int, err error) {
	clean = make([]byte, 0, min(len(text), limit)+len(redacted)+len(`""`))
	copied := 0 // everything before this offset is in clean or was replaced
	replace := func(from int, with string) {
		clean = append(append(clean, text[copied:from]...), '"')
		clean = append(append(clean, with...), '"')
		copied = int(s.InputOffset())
	}
	for first := true; first || s.StackDepth() > 0 && read < limit; first = false {
		var token jsontext.Token
		if token, err = s.ReadToken(); err != nil {
			break
		}
		isName := s.isName(token)
		switch {
		case isName && secret(token.String()):
			read = int(s.InputOffset())
			var value jsontext.Value
			if value, err = s.ReadValue(); err == nil {
				replace(int(s.InputOffset())-len(value), redacted)
			}
		case !isName && hide != nil && token.Kind() == jsontext.KindString:
			given := token.String()
			if shown := hide(given); shown != given {
				quoted := AppendString(nil, shown)
				replace(read+bytes.IndexByte(text[read:], '"'), string(quoted[1:len(quoted)-1]))
			}
		}
		if err != nil {
			break
		}
		read = int(s.InputOffset())
	}
	return append(clean, text[copied:max(copied, read)]...), read, err
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

// Hides reports whether Show hides the value of a member.
func (r Redactor) Hides(name string) bool { return r.isSecret(name) || IsSecretHeader(name) }

func (r Redactor) isSecret(name string) bool {
	return isOneOf(name, secretNames()...) || isOneOf(name, r.names...)
}

func secretNames() []string { return []string{"password", "key", "token", "secret", "authorization"} }

func secretHeaders() []string {
	return []string{"authorization", "proxy-authorization", "cookie", "cookies", "set-cookie"}
}

// IsSecretHeader reports whether RedactHeaders redacts the value of a member.
func IsSecretHeader(name string) bool { return isOneOf(name, secretHeaders()...) }

func isOneOf(name string, names ...string) bool {
	return slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(name, other) })
}
