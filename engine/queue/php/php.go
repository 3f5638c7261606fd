// Package php reads what PHP's serialize() has written. It knows the format, not what any class means, and makes nothing
// but plain values of it: no class is looked up, no code runs.
package php

// MaxDepth is the deepest nesting that Read follows, in levels: far more than the data of a job has, and few enough for
// a goroutine's stack.
const MaxDepth = 64

// Kind is what a Value is.
type Kind int

// The kinds of PHP's values. The zero value is null.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	Array
	Object
	Enum
	Custom // an object of a class that writes itself: Serializable
)

// Protected is the Owner of a protected property.
const Protected = "*"

// Value is a value of PHP. References make of the values a graph: one may stand in several places, and inside itself.
// Who walks through it has to bound depth and length of the walk.
type Value struct {
	Kind    Kind
	Bool    bool
	Int     int64
	Float   float64
	Text    string  // of String and Custom: any bytes, UTF-8 or not; of Enum: the name of its case
	Class   string  // of Object, Enum and Custom: the full name, without a backslash in front
	Entries []Entry // of Array and Object, in their order, each key once
	Inner   *Value  // of Custom: its Text as a value, where that is what the class wrote; else nil
}

// Entry is an element of an array or a property of an object.
type Entry struct {
	Key   string // of a property: without its owner
	Owner string // of a property: "" of a public one, Protected, or the class whose private one it is
	Value *Value
}

// List reports whether v is an array whose keys are 0, 1, 2 and so on: what other languages call a list.
func (v *Value) List() bool {
	if v.Kind != Array {
		return false
	}
	for i, e := range v.Entries {
		if !isIndex(e.Key, i) {
			return false
		}
	}
	return true
}

// Property returns the entry of the key, or nil where v has none. Of properties that differ in their owner alone it is
// the first.
func (v *Value) Property(key string) *Value {
	for _, e := range v.Entries {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}
