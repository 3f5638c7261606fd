package body

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxNumber is the longest number accepted, in bytes: more than PHP writes with serialize_precision at 17.
const maxNumber = 64

// unserialize parses text, one value as PHP's serialize() writes it. No class is looked up and no PHP code runs. Its errors name
// the byte offset and never contain the text. Time and memory are proportional to the length of text; the caller must bound it.
func unserialize(text []byte) (*phpValue, error) {
	r := unserializer{text: text, sealed: math.MaxInt}
	v, err := r.value(0)
	if err == nil && r.at < len(text) {
		err = errors.New("more text after the value")
	}
	if err != nil {
		return nil, fmt.Errorf("byte %d: %w", r.at, err)
	}
	return v, nil
}

type unserializer struct {
	text []byte
	at   int
	// The values that references count: all but keys and R, in the order in which they begin. Reference 1 is slots[0].
	slots []*phpValue
	// How many slots preceded the first Serializable object that could not be parsed. It may contain values that PHP counts and
	// this parser does not, so higher references cannot be resolved.
	sealed int
}

// value reads the value at r.at, at a nesting depth.
func (r *unserializer) value(depth int) (*phpValue, error) {
	tag, err := r.tag()
	if err != nil {
		return nil, err
	}
	if tag == 'r' || tag == 'R' {
		return r.reference(tag)
	}
	v := &phpValue{}
	r.slots = append(r.slots, v)
	switch tag {
	case 'N':
		return v, nil
	case 'b':
		return v, r.bool(v)
	case 'i':
		v.Kind = phpInt
		v.Int, err = r.int(';')
		return v, err
	case 'd':
		return v, r.float(v)
	case 's':
		v.Kind = phpString
		v.Text, err = r.quoted(';')
		return v, err
	case 'E':
		return v, r.enum(v)
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("values are nested more than %d levels deep", maxDepth)
	}
	switch tag {
	case 'a':
		v.Kind = phpArray
	case 'O':
		v.Kind = phpObject
	case 'C':
		return v, r.custom(v, depth)
	}
	return v, r.members(v, depth)
}

// tag reads the letter of a value and the character after it.
func (r *unserializer) tag() (byte, error) {
	if r.at+2 > len(r.text) {
		return 0, errors.New("the text ends before a value")
	}
	tag, want := r.text[r.at], byte(':')
	if tag == 'N' {
		want = ';'
	}
	if !strings.ContainsRune("NbidsaOECrR", rune(tag)) || r.text[r.at+1] != want {
		return 0, errors.New("not a PHP value")
	}
	r.at += 2
	return tag, nil
}

func (r *unserializer) bool(v *phpValue) error {
	n, err := r.int(';')
	if err != nil || n < 0 || n > 1 {
		return errors.New("a boolean is neither 0 nor 1")
	}
	v.Kind, v.Bool = phpBool, n == 1
	return nil
}

func (r *unserializer) float(v *phpValue) error {
	text, err := r.until(';')
	if err != nil {
		return err
	}
	v.Kind = phpFloat
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
			return errors.New("not a number")
		}
	}
	return nil
}

// enum reads the class and the case of an enumeration: E:11:"Suit:Hearts";
func (r *unserializer) enum(v *phpValue) error {
	text, err := r.quoted(';')
	if err != nil {
		return err
	}
	class, name, found := strings.Cut(text, ":")
	if !found || class == "" || name == "" {
		return errors.New("an enumeration has no class or no case")
	}
	v.Kind, v.Class, v.Text = phpEnum, strings.TrimPrefix(class, `\`), name
	return nil
}

// custom reads a Serializable object: C:3:"Set":5:{.....}. Most classes write its content with serialize(), whose values count
// in the same slots.
func (r *unserializer) custom(v *phpValue, depth int) error {
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
	v.Kind, v.Class = phpCustom, class
	inner := unserializer{text: r.text[:r.at+length], at: r.at, slots: r.slots, sealed: r.sealed}
	v.Text = string(inner.text[r.at:])
	r.at += length
	if value, err := inner.value(depth + 1); err == nil && inner.at == r.at {
		v.Inner, r.slots, r.sealed = value, inner.slots, inner.sealed
	} else {
		r.sealed = min(r.sealed, len(r.slots))
	}
	return r.expect('}')
}

// class reads the name of a class and the colon after it.
func (r *unserializer) class() (string, error) {
	class, err := r.quoted(':')
	class = strings.TrimPrefix(class, `\`)
	if err == nil && class == "" {
		err = errors.New("an object has no class")
	}
	return class, err
}

// members reads the elements of an array, or the class and the properties of an object.
func (r *unserializer) members(v *phpValue, depth int) (err error) {
	if v.Kind == phpObject {
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
	places := map[phpEntry]int{} // of key and owner
	for range count {
		e, err := r.key(v.Kind == phpObject)
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

// key reads the key of an entry. The name of a private or protected property is preceded by its owner between two NULs.
func (r *unserializer) key(property bool) (phpEntry, error) {
	tag, err := r.tag()
	if err != nil {
		return phpEntry{}, err
	}
	switch tag {
	case 'i':
		n, err := r.int(';')
		return phpEntry{Key: strconv.FormatInt(n, 10)}, err
	case 's':
	default:
		return phpEntry{}, errors.New("a key is neither a number nor a string")
	}
	text, err := r.quoted(';')
	if err != nil || !property || !strings.HasPrefix(text, "\x00") {
		return phpEntry{Key: text}, err
	}
	owner, name, found := strings.Cut(text[1:], "\x00")
	if !found || owner == "" || name == "" {
		return phpEntry{}, errors.New("a property has no name")
	}
	return phpEntry{Key: name, Owner: owner}, nil
}

// reference reads the number of another value. R, a PHP reference, takes no slot; r, the same object again, does.
func (r *unserializer) reference(tag byte) (*phpValue, error) {
	n, err := r.int(';')
	if err != nil {
		return nil, err
	}
	if n < 1 || n > int64(len(r.slots)) {
		return nil, errors.New("a reference to no value")
	}
	if n > int64(r.sealed) {
		return nil, errors.New("a reference past an object of a Serializable class, which only its PHP code can read")
	}
	v := r.slots[n-1]
	if tag == 'r' {
		r.slots = append(r.slots, v)
	}
	return v, nil
}

// quoted reads a length, that many bytes in quotation marks, and the character after them.
func (r *unserializer) quoted(end byte) (string, error) {
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
		return "", errors.New("a string does not have the length it declares")
	}
	return text, r.expect(end)
}

// length reads a length in bytes, or a count, and the colon after it.
func (r *unserializer) length() (int, error) {
	n, err := r.int(':')
	if err != nil {
		return 0, err
	}
	if n < 0 || n > int64(len(r.text)) {
		return 0, errors.New("a length exceeds the text")
	}
	return int(n), nil
}

// int reads a whole number and the character after it.
func (r *unserializer) int(end byte) (int64, error) {
	text, err := r.until(end)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || text[0] == '+' {
		return 0, errors.New("not a whole number")
	}
	return n, nil
}

// until reads the text of a number and the character after it.
func (r *unserializer) until(end byte) (string, error) {
	rest := r.text[r.at:min(len(r.text), r.at+maxNumber)]
	length := bytes.IndexByte(rest, end)
	if length < 0 {
		return "", errors.New("a number has no end")
	}
	r.at += length + 1
	return string(rest[:length]), nil
}

// expect reads one given character.
func (r *unserializer) expect(want byte) error {
	if r.at == len(r.text) || r.text[r.at] != want {
		return fmt.Errorf("expected %q", want)
	}
	r.at++
	return nil
}
