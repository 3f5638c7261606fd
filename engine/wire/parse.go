package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	// ErrNotObject is wrapped if a frame is not exactly one JSON object.
	ErrNotObject = errors.New("not a JSON object")
	// ErrNoName is wrapped if the object has no name, or one that is empty or not a string.
	ErrNoName = errors.New("no name")
)

// maxID is the longest id that is kept, in bytes: longer than any UUID, and short enough to repeat in every answer.
const maxID = 64

// Message is the envelope of a frame from a client.
type Message struct {
	// Name is the name as the client wrote it.
	Name string
	// ID is "" if the client gave none. A string is used as it is, anything else as its JSON text; an id longer than 64
	// bytes is cut at a rune boundary.
	ID string
	// Text is the whole frame, not a copy of it.
	Text []byte
}

// Parse reads the envelope of a frame: the top-level members. Nested values are checked for syntax only. As in JSON.parse
// of browsers, the last of several members with the same name counts, and half a surrogate pair is read as U+FFFD. The error
// wraps [ErrNotObject] or [ErrNoName]; with the latter, the ID is set nevertheless.
func Parse(text []byte) (Message, error) {
	m := Message{Text: text}
	if !utf8.Valid(text) {
		return Message{}, fmt.Errorf("wire: parse message: %w: invalid UTF-8", ErrNotObject)
	}
	s := newScanner(text)
	defer s.release()
	if err := s.envelope(&m); err != nil {
		return Message{}, fmt.Errorf("wire: parse message: %w: %w", ErrNotObject, err)
	}
	if m.Name == "" {
		return m, fmt.Errorf("wire: parse message: %w", ErrNoName)
	}
	return m, nil
}

// Object is a [Value] that may be a JSON object, and whose members can be read.
type Object interface {
	Value
	// StringField returns the string member with a name: "" and true if there is none, false if it is not a string.
	StringField(name string) (text string, ok bool)
}

// Envelope returns the same as [Parse] for a text that has been decoded to v, without reading it again. It returns false if
// v is not an [Object], or its name or id is not a string: then Parse must be used.
func Envelope(text []byte, v Value) (m Message, ok bool) {
	object, ok := v.(Object)
	if !ok {
		return Message{}, false
	}
	name, _ := object.StringField("name")
	id, ok := object.StringField("id")
	if name == "" || !ok {
		return Message{}, false
	}
	if len(id) > maxID {
		id = strings.Clone(clip(id, maxID))
	}
	return Message{Name: name, ID: id, Text: text}, true
}

// scanner is a JSON decoder together with the buffer that it reads in place.
type scanner struct {
	jsontext.Decoder
	source bytes.Buffer
}

// scanners holds idle scanners: a new one costs a kilobyte and several allocations, and every frame needs one. The pool
// has no state that could be observed.
var scanners = sync.Pool{New: func() any { return new(scanner) }} //nolint:gochecknoglobals // a cache without observable state

func newScanner(text []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.source = *bytes.NewBuffer(text)
	s.Reset(&s.source, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return s
}

// release returns the scanner to the pool, without the text, so that the pool does not keep frames alive.
func (s *scanner) release() {
	s.source = bytes.Buffer{}
	s.Reset(&s.source)
	scanners.Put(s)
}

// envelope reads the one object of the text.
func (s *scanner) envelope(m *Message) error {
	begin, err := s.ReadToken()
	if err != nil {
		return err
	}
	if begin.Kind() != jsontext.KindBeginObject {
		return fmt.Errorf("it begins with %s", begin.Kind())
	}
	for {
		key, err := s.ReadToken()
		if err != nil {
			return err
		}
		if key.Kind() == jsontext.KindEndObject {
			return s.end()
		}
		switch key.String() {
		case "name":
			m.Name, err = s.name()
		case "id":
			m.ID, err = s.id()
		default:
			err = s.SkipValue()
		}
		if err != nil {
			return err
		}
	}
}

// end refuses text after the value.
func (s *scanner) end() error {
	_, err := s.ReadToken()
	if err == nil {
		return errors.New("more text after the value")
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// name returns "" if the value is not a string.
func (s *scanner) name() (string, error) {
	if s.PeekKind() != jsontext.KindString {
		return "", s.SkipValue()
	}
	token, err := s.ReadToken()
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

func (s *scanner) id() (string, error) {
	switch s.PeekKind() {
	case jsontext.KindNull:
		return "", s.SkipValue()
	case jsontext.KindString:
		token, err := s.ReadToken()
		if err != nil {
			return "", err
		}
		return strings.Clone(clip(token.String(), maxID)), nil
	default:
		text, err := s.ReadValue()
		if err != nil {
			return "", err
		}
		return string(clip(text, maxID)), nil
	}
}

// clip returns the longest prefix of s that has at most limit bytes and ends at a rune boundary. s must be valid UTF-8.
func clip[S ~string | ~[]byte](s S, limit int) S {
	if len(s) <= limit {
		return s
	}
	for !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
