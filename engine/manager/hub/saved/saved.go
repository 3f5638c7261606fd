// Package saved owns the form in which connections and topics outlive an orderly restart: for each kind a text of JSON values, first a
// header, then one value for each connection or topic. It must not know what their parts mean.
package saved

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// version is the version of both forms.
const version = 1

type header struct {
	Version int `json:"version"`
}

// Connection is a connection that is away. It has no admin right: rights never come from a file.
type Connection struct {
	UUID          string            `json:"uuid"`
	ResourceID    uint64            `json:"resource_id"`
	OpenedAt      time.Time         `json:"opened_at"`
	Address       netip.Addr        `json:"address"`
	Type          string            `json:"type"`
	Name          string            `json:"name,omitempty"`
	Email         string            `json:"email,omitempty"`
	User          string            `json:"user,omitempty"`
	Admitted      string            `json:"admitted,omitempty"` // the user that the connect hook has set
	Given         []string          `json:"given,omitempty"`    // the fields that the connect hook has returned
	Roles         []string          `json:"roles,omitempty"`
	Data          json.RawMessage   `json:"data,omitempty"`
	Fields        []Field           `json:"fields,omitempty"`
	Notifications []Notification    `json:"notifications,omitempty"`
	Topics        []string          `json:"topics,omitempty"` // names
	Token         []byte            `json:"token"`            // SHA-256, as is Previous
	Previous      []byte            `json:"previous,omitempty"`
	Origin        string            `json:"origin,omitempty"`
	Sent          uint64            `json:"sent"`           // frames
	Unconfirmed   []json.RawMessage `json:"kept,omitempty"` // the last ones of them, which the client may not have received
	Handled       uint64            `json:"handled"`        // messages
}

// Field is an attribute of a connection.
type Field struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// Notification is a notification of a connection.
type Notification struct {
	UUID   string    `json:"uuid"`
	Sender string    `json:"sender"`
	At     time.Time `json:"at"`
}

// Topic is a topic that clients know, or that keeps messages.
type Topic struct {
	Name       string            `json:"name"`
	UUID       string            `json:"uuid"`
	Protection string            `json:"protection"`
	Owner      string            `json:"owner,omitempty"`
	Listed     bool              `json:"listed,omitempty"`
	Present    []string          `json:"present"`          // users, as all subscribers were told; null if the topic has no presence
	Unsure     []string          `json:"unsure,omitempty"` // users of whom only some were told that they are present
	Messages   []json.RawMessage `json:"messages,omitempty"`
}

// Writer writes values of one kind.
type Writer[T Connection | Topic] struct{ text *json.Encoder }

// NewWriter begins a text.
func NewWriter[T Connection | Topic](w io.Writer) (Writer[T], error) {
	text := json.NewEncoder(w)
	text.SetEscapeHTML(false) // frames stay as they are
	return Writer[T]{text}, text.Encode(header{version})
}

// Write writes one value.
func (w Writer[T]) Write(v *T) error { return w.text.Encode(v) }

// Reader reads what a Writer has written.
type Reader[T Connection | Topic] struct{ text *json.Decoder }

// NewReader reads the beginning of a text.
func NewReader[T Connection | Topic](from io.Reader) (Reader[T], error) {
	text := json.NewDecoder(from)
	var first header
	if err := text.Decode(&first); err != nil {
		return Reader[T]{}, Damaged(err)
	}
	if first.Version != version {
		return Reader[T]{}, fmt.Errorf("hub: the saved text has the version %d; this program knows only %d", first.Version, version)
	}
	return Reader[T]{text}, nil
}

// Read returns the next value, or nil after the last one.
func (r Reader[T]) Read() (*T, error) {
	var v T
	err := r.text.Decode(&v)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, Damaged(err)
	}
	return &v, nil
}

// Damaged returns the error for a text with this fault.
func Damaged(fault error) error { return fmt.Errorf("hub: the saved text is damaged: %w", fault) }
