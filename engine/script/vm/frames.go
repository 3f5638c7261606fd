package vm

import (
	"reflect"

	lua "github.com/yuin/gopher-lua"
)

// Limits of the functions that are active on one thread.
const (
	maxFrames = 20_000 // as in Lua 5.1
	// deepRegistry is the maximum of values of a thread that has more frames than its pool gives it: 256 for each.
	deepRegistry = maxFrames << 8
)

// frames is gopher-lua's stack of call frames, which consists of segments. Their number is fixed, and the pointers to those of
// maxFrames would take 20 KB of every thread. So a thread begins with those of its pool, and grow adds further ones when they
// are needed; the check before each instruction notices that. The fields are those of lua.autoGrowingCallFrameStack.
type frames struct {
	segments []*segment
	last     uint16 // index of the segment in use
	used     uint8  // frames in it
}

type segment struct{ frames [lua.FramesPerSegment]frame }

// frame has the fields of lua.callFrame.
type frame struct {
	_      int
	fn     *lua.LFunction
	parent *frame
	pc     int

	_, _, _, _, _, _ int
}

// registry holds the values of a thread. Its fields are the first ones of lua.registry.
type registry struct {
	array                []lua.LValue
	top, growBy, maxSize int
}

// innerFields returns the private parts of a thread of gopher-lua, which offers no other way to see how much it has grown, nor
// to let it grow. It panics if they are not what they were when this was written.
func innerFields(L *lua.LState) (*frames, *registry) {
	of := reflect.ValueOf(L).Elem()
	stack, values := of.FieldByName("stack").Elem(), of.FieldByName("reg")
	if !sameLayout(reflect.TypeFor[frames](), stack.Type().Elem()) || !sameLayout(reflect.TypeFor[registry](), values.Type().Elem()) {
		panic("vm: the threads of this version of gopher-lua are unknown")
	}
	return (*frames)(stack.UnsafePointer()), (*registry)(values.UnsafePointer())
}

// sameLayout reports whether the fields of a struct have the same places as the first fields of another, and the same kinds.
func sameLayout(ours, theirs reflect.Type) bool {
	if ours.Kind() != theirs.Kind() {
		return false
	}
	switch ours.Kind() {
	case reflect.Struct:
		for i := range ours.NumField() {
			a, b := ours.Field(i), theirs.Field(min(i, theirs.NumField()-1))
			recursive := a.Type.Kind() == reflect.Pointer && a.Type.Elem() == ours
			if a.Offset != b.Offset || a.Type.Kind() != b.Type.Kind() || !recursive && !sameLayout(a.Type, b.Type) {
				return false
			}
		}
		return true
	case reflect.Pointer, reflect.Slice:
		return ours.Elem() == theirs.Elem() || sameLayout(ours.Elem(), theirs.Elem())
	case reflect.Array:
		return ours.Len() == theirs.Len() && sameLayout(ours.Elem(), theirs.Elem())
	default:
		return ours.Size() == theirs.Size()
	}
}

// depth watches how many functions are active on a thread: it looks at them again when the number of segments leaves a window.
type depth struct {
	*frames

	registry    *registry
	first       int    // number of segments of a new thread
	low, window uint16 // of the index of the segment in use
}

// spare is the number of segments that are left when a thread grows: what one instruction may need.
const spare = 3

func newDepth(L *lua.LState) depth {
	f, r := innerFields(L)
	d := depth{frames: f, registry: r, first: len(f.segments)}
	d.reset()
	return d
}

// reset prepares a thread without calls for its next one.
func (d *depth) reset() { d.low, d.window = 0, uint16(d.first-spare) }

// hasGrown reports whether the thread takes more memory than a new one should.
func (d *depth) hasGrown() bool {
	return len(d.segments) != d.first || len(d.registry.array) > registryKept
}

// isFull reports whether no further value fits onto the thread.
func (d *depth) isFull() bool { return len(d.registry.array) >= d.registry.maxSize }

// hasMoved reports whether check must be called.
func (d *depth) hasMoved() bool { return d.last-d.low > d.window }

// check lets the thread grow. Half of the functions that a new thread has room for may have been called by Go functions, by
// metamethods and the like: each of these calls takes about 1 KiB of the Go stack. If there are more, no further one fits.
func (d *depth) check() {
	step, last := d.first/2, int(d.last)
	if d.last > d.low {
		if d.callsFromGo() > d.first/2*lua.FramesPerSegment {
			d.segments = d.segments[:min(len(d.segments), max(last+spare, d.first))]
		} else if last+spare >= len(d.segments) {
			d.grow(step)
		}
	}
	d.low = uint16(max(0, last-2*step))
	d.window = uint16(min(last+step, len(d.segments)-spare)) - d.low
	if last+spare >= len(d.segments) {
		d.window = ^uint16(0) // there is nothing more to do
	}
}

// grow adds segments, up to maxFrames, and lets the values double whenever they need more room.
func (d *depth) grow(segments int) {
	grown := make([]*segment, min(len(d.segments)+segments, maxFrames/lua.FramesPerSegment))
	copy(grown, d.segments)
	d.segments = grown
	d.registry.growBy, d.registry.maxSize = len(d.registry.array), deepRegistry
}

// callsFromGo returns how many of the active functions were not called by the call instruction of a Lua function.
func (d *depth) callsFromGo() int {
	n := 0
	for i, s := range d.segments[:d.last+1] {
		used := lua.FramesPerSegment
		if i == int(d.last) {
			used = int(d.used)
		}
		for j := range used {
			if by := s.frames[j].parent; by == nil || by.fn == nil || by.fn.IsG || !isCall(by.fn.Proto.Code, by.pc-1) {
				n++
			}
		}
	}
	return n
}

func isCall(code []uint32, pc int) bool {
	if pc < 0 || pc >= len(code) {
		return false
	}
	op := int(code[pc] >> 26)
	return op == lua.OP_CALL || op == lua.OP_TAILCALL
}
