package loader

import (
	"maps"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// Sources are modules that have been read and compiled. A program that loads from them runs exactly these, even if the files
// have changed since. They belong to one program at a time.
type Sources struct{ modules map[string]source }

// source is one module.
type source struct {
	shown string // its name in errors
	own   bool   // from the scripts directory, not from the binary
	text  []byte // of a module of the scripts directory
	proto *lua.FunctionProto
}

// NewSources returns empty sources.
func NewSources() *Sources { return &Sources{map[string]source{}} }

// Own reports whether a module comes from the scripts directory.
func (s *Sources) Own(name string) bool { return s.modules[name].own }

// Texts calls yield with the name in errors and the text of each module from the scripts directory, in the order of these names.
func (s *Sources) Texts(yield func(shown string, text []byte) bool) {
	texts := map[string][]byte{}
	for _, m := range s.modules {
		if m.own {
			texts[m.shown] = m.text
		}
	}
	for _, shown := range slices.Sorted(maps.Keys(texts)) {
		if !yield(shown, texts[shown]) {
			return
		}
	}
}

// text returns the text of the module that has this name in errors, from the scripts directory; nil if there is none.
func (s *Sources) text(shown string) []byte {
	for _, m := range s.modules {
		if m.own && m.shown == shown {
			return m.text
		}
	}
	return nil
}

// AnyOwn reports whether any module comes from the scripts directory.
func (s *Sources) AnyOwn() bool {
	for _, m := range s.modules {
		if m.own {
			return true
		}
	}
	return false
}
