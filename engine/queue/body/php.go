package body

import "strconv"

// maxDepth is the deepest nesting of values, in levels: far more than the data of a job has, and safe for recursion.
const maxDepth = 64

// phpKind is the type of a phpValue. The zero value is null.
type phpKind int

const (
	phpNull phpKind = iota
	phpBool
	phpInt
	phpFloat
	phpString
	phpArray
	phpObject
	phpEnum
	phpCustom // an object of a class that implements Serializable
)

// phpProtected is the Owner of a protected property.
const phpProtected = "*"

// phpValue is a value of PHP. Because of references, values form a graph: one value may occur in several places and contain
// itself. Code that walks the graph must bound the depth and the length of its walk.
type phpValue struct {
	Kind    phpKind
	Bool    bool
	Int     int64
	Float   float64
	Text    string     // of phpString and phpCustom: any bytes, not only UTF-8; of phpEnum: the name of its case
	Class   string     // of phpObject, phpEnum and phpCustom: the full name, without a leading backslash
	Entries []phpEntry // of phpArray and phpObject, in order, each key once
	Inner   *phpValue  // of phpCustom: Text as a value, or nil if the class did not write Text with serialize()
}

// phpEntry is an element of an array or a property of an object.
type phpEntry struct {
	Key   string // of a property: without its owner
	Owner string // of a property: "" if it is public, phpProtected, or the class if it is private
	Value *phpValue
}

// isList reports whether v is an array whose keys are 0, 1, 2 and so on.
func (v *phpValue) isList() bool {
	if v.Kind != phpArray {
		return false
	}
	for i, e := range v.Entries {
		if e.Key != strconv.Itoa(i) {
			return false
		}
	}
	return true
}

// property returns the value of the first property with the key, or nil if there is none.
func (v *phpValue) property(key string) *phpValue {
	for _, e := range v.Entries {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}
