package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Append appends a message to a client: the fields, then id (a new UUID), name, and timestamp in seconds with at most
// six decimals. If fields is nil, there are none. If the fields return an error, Append returns it and the original dst.
func Append(dst []byte, name string, fields Fields, at time.Time) ([]byte, error) {
	start := len(dst)
	dst = append(dst, '{')
	if fields != nil {
		var err error
		if dst, err = fields.AppendMembers(dst); err != nil {
			return dst[:start], fmt.Errorf("wire: append %s: %w", name, err)
		}
		if len(dst) > start+1 {
			dst = append(dst, ',')
		}
	}
	dst = append(dst, `"id":"`...)
	dst = append(dst, NewID()...)
	dst = append(dst, `","name":`...)
	dst = AppendString(dst, name)
	dst = append(dst, `,"timestamp":`...)
	dst = appendSeconds(dst, at)
	return append(dst, '}'), nil
}

// NameOf returns the name in a message of Append, without reading the fields; "" for any other text.
func NameOf(text []byte) string {
	const begin, end = `","name":`, `,"timestamp":`
	last := bytes.LastIndex(text, []byte(end))
	if last < 0 {
		return ""
	}
	first := bytes.LastIndex(text[:last], []byte(begin)) // quotes in the name are escaped
	if first < 0 {
		return ""
	}
	name, err := jsontext.AppendUnquote(nil, text[first+len(begin):last])
	if err != nil {
		return ""
	}
	return string(name)
}

// appendSeconds appends a time as seconds since 1970, microseconds as decimals without trailing zeros.
func appendSeconds(dst []byte, at time.Time) []byte {
	micros := at.UnixMicro()
	if micros < 0 {
		dst = append(dst, '-')
		micros = -micros
	}
	dst = strconv.AppendInt(dst, micros/1e6, 10)
	fraction := micros % 1e6
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for digit := int64(1e5); fraction > 0; digit /= 10 {
		dst = append(dst, '0'+byte(fraction/digit))
		fraction %= digit
	}
	return dst
}

// NewID returns a new UUID, version 4. It is not a secret: knowing one must not authorize anything.
func NewID() string {
	id, err := uuid.NewRandomFromReader(random{})
	if err != nil {
		panic(err) // random never fails
	}
	return id.String()
}

// NewSecretID returns a new UUID, version 4, from the system's generator: nobody can guess it.
func NewSecretID() string { return uuid.NewString() }

// random reads the runtime's generator: ChaCha8, seeded by the system, one for each thread. It needs no lock, system call
// or pool, and every message to a client needs an id.
type random struct{}

func (random) Read(p []byte) (int, error) {
	var word [8]byte
	for done := 0; done < len(p); done += len(word) {
		binary.LittleEndian.PutUint64(word[:], rand.Uint64())
		copy(p[done:], word[:])
	}
	return len(p), nil
}
