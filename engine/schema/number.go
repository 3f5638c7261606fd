package schema

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
)

// maxInteger is 2^53: up to it, a float64 is exact for every integer.
const maxInteger = 1 << 53

// maxDigits is the maximum length of a number that is compared exactly.
const maxDigits = 400

// decode reads a document. Its numbers become float64, but for those that a float64 may not be exact for.
func decode(text []byte) (document any, err error) {
	if err = json.Unmarshal(text, &document); err == nil && !hasBig(document) {
		return document, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&document); err != nil {
		return nil, err
	}
	return convert(document), nil
}

// isBig reports whether f may be a rounded integer.
func isBig(f float64) bool { return math.Abs(f) >= maxInteger }

// hasBig reports whether any number in a document is big.
func hasBig(document any) bool {
	switch v := document.(type) {
	case float64:
		return isBig(v)
	case []any:
		return slices.ContainsFunc(v, hasBig)
	case map[string]any:
		for _, member := range v {
			if hasBig(member) {
				return true
			}
		}
	}
	return false
}

// convert makes float64 of each json.Number in a document, in place, but for those that are big.
func convert(document any) any {
	switch v := document.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i, item := range v {
			v[i] = convert(item)
		}
	case map[string]any:
		for name, member := range v {
			v[name] = convert(member)
		}
	}
	return document
}

// number returns a number as it is compared: exactly if it is big. As an exact fraction, a number with a huge exponent, or with very
// many digits, would take all memory; the former is compared as the largest float64.
func number(n json.Number) any {
	f, err := n.Float64()
	switch {
	case err != nil:
		return math.Copysign(math.MaxFloat64, f)
	case isBig(f) && len(n) <= maxDigits:
		return n
	}
	return f
}
