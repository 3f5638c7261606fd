package loader

import lua "github.com/yuin/gopher-lua"

// Sources are modules as they were read and compiled once: whoever loads from them runs exactly that, whatever has become of
// the files meanwhile. They belong to one program at a time.
type Sources struct{ modules map[string]source }

// source is one module.
type source struct {
	shown string // how errors call it
	own   bool   // it comes from the scripts folder, not from the binary
	proto *lua.FunctionProto
}

// NewSources returns sources of no module.
func NewSources() *Sources { return &Sources{map[string]source{}} }

// Own tells whether a module comes from the scripts folder.
func (s *Sources) Own(name string) bool { return s.modules[name].own }

// AnyOwn tells whether any module comes from the scripts folder.
func (s *Sources) AnyOwn() bool {
	for _, m := range s.modules {
		if m.own {
			return true
		}
	}
	return false
}
