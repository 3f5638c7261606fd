package php

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxNumber is the longest number that is looked at, in bytes: more than PHP writes, with serialize_precision at 17.
const maxNumber = 64

// Read returns the one value that text holds. Its errors are sentences with a place in bytes, and never contain the
// text. It takes time and memory in proportion to the length of text, which is for the caller to bound.
func Read(text []byte) (*Value, error) {
	r := reader{text: text, sealed: math.MaxInt}
	v, err := r.value(0)
	if err == nil && r.at < len(text) {
		err = errors.New("more text after the value")
	}
	if err != nil {
		return nil, fmt.Errorf("php: byte %d: %w", r.at, err)
	}
	return v, nil
}

type reader struct {
	text []byte
	at   int
	// What references count: every value but the keys and R, in the order in which they begin. Number 1 is slots[0].
	slots []*Value
	// How many slots there were before an object that wrote itself in its own way, and may have counted values that
	// nobody else can see.
	sealed int
}

// value reads the value at r.at, which stands so many levels deep.
func (r *reader) value(depth int) (*Value, error) {
	tag, err := r.tag()
	if err != nil {
		return nil, err
	}
	if tag == 'r' || tag == 'R' {
		return r.reference(tag)
	}
	v := &Value{}
	r.slots = append(r.slots, v)
	switch tag {
	case 'N':
		return v, nil
	case 'b':
		return v, r.bool(v)
	case 'i':
		v.Kind = Int
		v.Int, err = r.int(';')
		return v, err
	case 'd':
		return v, r.float(v)
	case 's':
		v.Kind = String
		v.Text, err = r.quoted(';')
		return v, err
	case 'E':
		return v, r.enum(v)
	}
	if depth == MaxDepth {
		return nil, fmt.Errorf("values are nested more than %d levels deep", MaxDepth)
	}
	switch tag {
	case 'a':
		v.Kind = Array
	case 'O':
		v.Kind = Object
	case 'C':
		return v, r.custom(v, depth)
	}
	return v, r.members(v, depth)
}

// tag reads the letter of a value and the sign behind it.
func (r *reader) tag() (byte, error) {
	if r.at+2 > len(r.text) {
		return 0, errors.New("the text ends where a value should begin")
	}
	tag, sign := r.text[r.at], byte(':')
	if tag == 'N' {
		sign = ';'
	}
	if !strings.ContainsRune("NbidsaOECrR", rune(tag)) || r.text[r.at+1] != sign {
		return 0, errors.New("no value of PHP begins like this")
	}
	r.at += 2
	return tag, nil
}

func (r *reader) bool(v *Value) error {
	n, err := r.int(';')
	if err != nil || n < 0 || n > 1 {
		return errors.New("a boolean is neither 0 nor 1")
	}
	v.Kind, v.Bool = Bool, n == 1
	return nil
}

func (r *reader) float(v *Value) error {
	text, err := r.until(';')
	if err != nil {
		return err
	}
	v.Kind = Float
	switch text {
	case "INF":
		v.Float = math.Inf(1)
	case "-INF":
		v.Float = math.Inf(-1)
	case "NAN":
		v.Float = math.NaN()
	default:
		v.Float, err = strconv.ParseFloat(text, 64)
		if err != nil || strings.Trim(text, "0123456789+-.eE") != "" {
			return errors.New("a number cannot be read")
		}
	}
	return nil
}

// enum reads the class and the case of an enumeration: E:11:"Suit:Hearts";
func (r *reader) enum(v *Value) error {
	text, err := r.quoted(';')
	if err != nil {
		return err
	}
	class, name, found := strings.Cut(text, ":")
	if !found || class == "" || name == "" {
		return errors.New("an enumeration has no class or no case")
	}
	v.Kind, v.Class, v.Text = Enum, strings.TrimPrefix(class, `\`), name
	return nil
}

// custom reads an object that wrote itself: C:3:"Set":5:{.....}. Most classes write a value by serialize(), which counts
// on in the same slots.
func (r *reader) custom(v *Value, depth int) error {
	class, err := r.class()
	if err != nil {
		return err
	}
	length, err := r.length()
	if err != nil {
		return err
	}
	if err := r.expect('{'); err != nil {
		return err
	}
	if length >= len(r.text)-r.at {
		return errors.New("an object is longer than the text")
	}
	v.Kind, v.Class = Custom, class
	inner := reader{text: r.text[:r.at+length], at: r.at, slots: r.slots, sealed: r.sealed}
	v.Text = string(inner.text[r.at:])
	r.at += length
	if value, err := inner.value(depth + 1); err == nil && inner.at == r.at {
		v.Inner, r.slots, r.sealed = value, inner.slots, inner.sealed
	} else {
		r.sealed = min(r.sealed, len(r.slots))
	}
	return r.expect('}')
}

// class reads the name of a class and the colon behind it.
func (r *reader) class() (string, error) {
	class, err := r.quoted(':')
	class = strings.TrimPrefix(class, `\`)
	if err == nil && class == "" {
		err = errors.New("an object has no class")
	}
	return class, err
}

// members reads the elements of an array, or the class and the properties of an object.
func (r *reader) members(v *Value, depth int) (err error) {
	if v.Kind == Object {
		if v.Class, err = r.class(); err != nil {
			return err
		}
	}
	count, err := r.length()
	if err != nil {
		return err
	}
	if err := r.expect('{'); err != nil {
		return err
	}
	places := map[Entry]int{} // of key and owner
	for range count {
		e, err := r.key(v.Kind == Object)
		if err != nil {
			return err
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		place, twice := places[e]
		if !twice {
			place = len(v.Entries)
			places[e] = place
			v.Entries = append(v.Entries, e)
		}
		v.Entries[place].Value = value
	}
	return r.expect('}')
}

// key reads the key of an entry. A private or protected property has its owner between two NULs in front of its name.
func (r *reader) key(property bool) (Entry, error) {
	tag, err := r.tag()
	if err != nil {
		return Entry{}, err
	}
	switch tag {
	case 'i':
		n, err := r.int(';')
		return Entry{Key: strconv.FormatInt(n, 10)}, err
	case 's':
	default:
		return Entry{}, errors.New("a key is neither a number nor a string")
	}
	text, err := r.quoted(';')
	if err != nil || !property || !strings.HasPrefix(text, "\x00") {
		return Entry{Key: text}, err
	}
	owner, name, found := strings.Cut(text[1:], "\x00")
	if !found || owner == "" || name == "" {
		return Entry{}, errors.New("a property has no name")
	}
	return Entry{Key: name, Owner: owner}, nil
}

// reference reads the number of another value. R, a reference of PHP, is no value of its own; r, the same object once
// more, is.
func (r *reader) reference(tag byte) (*Value, error) {
	n, err := r.int(';')
	if err != nil {
		return nil, err
	}
	if n < 1 || n > int64(len(r.slots)) {
		return nil, errors.New("a reference leads nowhere")
	}
	if n > int64(r.sealed) {
		return nil, errors.New("a reference leads behind an object that PHP code has written in its own way")
	}
	v := r.slots[n-1]
	if tag == 'r' {
		r.slots = append(r.slots, v)
	}
	return v, nil
}

// quoted reads a length in bytes, as many bytes in quotation marks, and the sign behind them.
func (r *reader) quoted(end byte) (string, error) {
	length, err := r.length()
	if err != nil {
		return "", err
	}
	if err := r.expect('"'); err != nil {
		return "", err
	}
	if length >= len(r.text)-r.at {
		return "", errors.New("a string is longer than the text")
	}
	text := string(r.text[r.at : r.at+length])
	r.at += length
	if err := r.expect('"'); err != nil {
		return "", errors.New("a string has another length than it says")
	}
	return text, r.expect(end)
}

// length reads a length in bytes, or a count, and the colon behind it.
func (r *reader) length() (int, error) {
	n, err := r.int(':')
	if err != nil {
		return 0, err
	}
	if n < 0 || n > int64(len(r.text)) {
		return 0, errors.New("a length is more than the text holds")
	}
	return int(n), nil
}

// int reads a whole number and the sign behind it.
func (r *reader) int(end byte) (int64, error) {
	text, err := r.until(end)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || text[0] == '+' {
		return 0, errors.New("a whole number cannot be read")
	}
	return n, nil
}

// until reads the text of a number and the sign behind it.
func (r *reader) until(end byte) (string, error) {
	rest := r.text[r.at:min(len(r.text), r.at+maxNumber)]
	length := bytes.IndexByte(rest, end)
	if length < 0 {
		return "", errors.New("a number has no end")
	}
	r.at += length + 1
	return string(rest[:length]), nil
}

func (r *reader) expect(sign byte) error {
	if r.at == len(r.text) || r.text[r.at] != sign {
		return fmt.Errorf("there is no %q where it should be", sign)
	}
	r.at++
	return nil
}

// isIndex reports whether a key is the number i.
func isIndex(key string, i int) bool {
	return key == strconv.Itoa(i)
}
