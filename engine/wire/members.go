package wire

import (
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Member is one field of a message that is built in Go.
type Member struct {
	Name string
	// Value is nil, a string, bool, int, int64, uint64, float64 or a [Value].
	Value any
}

// Members are fields in the order in which they are written. They can be used as the [Fields] of a message, or as a
// [Value], which is an object with every member.
type Members []Member

var (
	_ Fields = Members(nil)
	_ Value  = Members(nil)
)

// AppendMembers appends the members, without id, name and timestamp. The error names a member that has no JSON form.
func (m Members) AppendMembers(dst []byte) ([]byte, error) {
	return m.appendEach(dst, true)
}

// AppendJSON appends the members as an object. The error names a member that has no JSON form.
func (m Members) AppendJSON(dst []byte) ([]byte, error) {
	dst, err := m.appendEach(append(dst, '{'), false)
	if err != nil {
		return dst, err
	}
	return append(dst, '}'), nil
}

func (m Members) appendEach(dst []byte, inEnvelope bool) ([]byte, error) {
	comma := false
	for _, member := range m {
		if inEnvelope && isEnvelopeField(member.Name) {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = append(AppendString(dst, member.Name), ':')
		var err error
		if dst, err = appendAny(dst, member.Value); err != nil {
			return dst, fmt.Errorf("wire: member %q: %w", member.Name, err)
		}
	}
	return dst, nil
}

// isEnvelopeField reports whether Append itself writes the member with this name.
func isEnvelopeField(name string) bool {
	return name == "id" || name == "name" || name == "timestamp"
}

func appendAny(dst []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return AppendString(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return dst, fmt.Errorf("%v has no JSON form", v)
		}
		return jsontext.AppendFloat(dst, v, 64), nil
	case Value:
		return v.AppendJSON(dst)
	default:
		return dst, fmt.Errorf("a %T has no JSON form", v)
	}
}
