package wire

import "github.com/go-json-experiment/json/jsontext"

// Kind names the kind of a JSON text for an error message: "a list". It looks at the first character only.
func Kind(text []byte) string {
	switch jsontext.Value(text).Kind() {
	case jsontext.KindNull:
		return "null"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "a boolean"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "a list"
	default:
		return "text that is not JSON"
	}
}
