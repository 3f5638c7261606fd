package varinfo

import (
	"fmt"
	"reflect"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/compile"
)

// frame is a Lua function that has failed, and its instruction.
type frame struct {
	proto     *lua.FunctionProto
	pc        int           // of the instruction
	registers reflect.Value // of all frames
	base      int           // index of the function's first register
}

// arguments returns the number of arguments of the innermost function.
func arguments(L *lua.LState) int {
	d, _ := L.GetStack(0)
	return int(reflect.ValueOf(d).Elem().FieldByName("frame").Elem().FieldByName("NArgs").Int())
}

func function(L *lua.LState, level int) *lua.LFunction {
	d, ok := L.GetStack(level)
	if !ok {
		return nil
	}
	v, _ := L.GetInfo("f", d, lua.LNil)
	fn, _ := v.(*lua.LFunction)
	return fn
}

// failed returns the frame at a level of the stack, if it is that of a Lua function. It uses reflection, since gopher-lua
// does not export the position and the registers of a frame.
func failed(L *lua.LState, level int) (frame, bool) {
	fn := function(L, level)
	if fn == nil || fn.IsG {
		return frame{}, false
	}
	d, _ := L.GetStack(level)
	of := reflect.ValueOf(d).Elem().FieldByName("frame").Elem()
	f := frame{
		proto:     fn.Proto,
		pc:        int(of.FieldByName("Pc").Int()) - 1,
		base:      int(of.FieldByName("LocalBase").Int()),
		registers: reflect.ValueOf(L).Elem().FieldByName("reg").Elem().FieldByName("array"),
	}
	return f, f.pc >= 0 && f.pc < len(f.proto.Code)
}

// The parts of the instruction in gopher-lua's encoding.
func (f frame) op() int { return opOf(f.proto.Code[f.pc]) }
func (f frame) a() int  { return aOf(f.proto.Code[f.pc]) }
func (f frame) b() int  { return bOf(f.proto.Code[f.pc]) }
func (f frame) c() int  { return cOf(f.proto.Code[f.pc]) }

func opOf(code uint32) int   { return int(code >> 26) }
func aOf(code uint32) int    { return int(code>>18) & 0xff }
func bOf(code uint32) int    { return int(code & 0x1ff) }
func cOf(code uint32) int    { return int(code>>9) & 0x1ff }
func wideOf(code uint32) int { return int(code & 0x3ffff) }

// constantBit is set in a B or C that is the number of a constant, not of a register.
const constantBit = 0x100

// jump returns the distance of a jump, from the instruction after it.
func jump(code uint32) int { return wideOf(code) - 0x1ffff }

// kind returns the type of a register's value, or of a constant.
func (f frame) kind(register int) string {
	if register&constantBit != 0 {
		return f.proto.Constants[register&^constantBit].Type().String()
	}
	// The value itself cannot be taken out of a private field.
	zero, _ := reflect.TypeAssert[lua.LValue](reflect.Zero(f.registers.Index(f.base + register).Elem().Type()))
	return zero.Type().String()
}

// missingMethod returns the class and the name of the method that a register should contain, if it was read from an object
// of the script API.
func (f frame) missingMethod(register int) (class, method string) {
	variable, ok := strings.CutPrefix(f.variable(register, ""), "method '")
	if !ok || f.kind(register+1) != "userdata" {
		return "", ""
	}
	self := f.registers.Index(f.base + register + 1).Elem()
	object, _ := reflect.TypeAssert[*lua.LUserData](reflect.NewAt(reflect.TypeFor[lua.LUserData](), self.UnsafePointer()))
	metatable, ok := object.Metatable.(*lua.LTable)
	if !ok {
		return "", ""
	}
	name, _ := metatable.RawGetString("__metatable").(lua.LString)
	return string(name), strings.TrimSuffix(variable, "'")
}

// called returns the name of the function that the instruction calls, or "".
func (f frame) called() string {
	for _, call := range f.proto.DbgCalls {
		if call.Pc == f.pc && !strings.HasPrefix(call.Name, compile.OperandsPrefix) && call.Name != "?" {
			return call.Name
		}
	}
	return ""
}

// operand returns the variable that is the n-th operand of the instruction, or "".
func (f frame) operand(n int) string {
	names := strings.Split(f.operandsAt(f.pc), " ")
	if n >= len(names) {
		return ""
	}
	return names[n]
}

func (f frame) operandsAt(pc int) string {
	for _, call := range f.proto.DbgCalls {
		if names, ok := strings.CutPrefix(call.Name, compile.OperandsPrefix); ok && call.Pc == pc {
			return names
		}
	}
	return ""
}

// variable returns the script's name for the value in a register: "local 'x'"; "" if it has none.
func (f frame) variable(register int, name string) string {
	if register&constantBit != 0 {
		return ""
	}
	source, text := f.source(register, name)
	if source == "" || text == "" || strings.HasPrefix(text, "(") {
		return ""
	}
	return fmt.Sprintf("%s '%s'", source, text)
}

// source derives the name from the instruction that has written the register. A known name is that of a local variable, unless
// the value was read from another place under that name.
func (f frame) source(register int, name string) (source, text string) {
	if name != "" {
		source, text = "local", name
	}
	pc := f.writer(register)
	if pc < 0 {
		return source, text
	}
	code := f.proto.Code[pc]
	from, what := "", ""
	switch opOf(code) {
	case lua.OP_GETGLOBAL:
		from, what = "global", f.proto.Constants[wideOf(code)].String()
	case lua.OP_GETUPVAL:
		from, what = "upvalue", f.proto.DbgUpvalues[bOf(code)]
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS:
		from, what = "field", f.key(cOf(code))
	case lua.OP_SELF:
		if aOf(code) == register {
			from, what = "method", f.key(cOf(code))
		}
	case lua.OP_MOVE, lua.OP_MOVEN:
		if copied := f.operandsAt(pc); copied != "" {
			from, what = "local", copied
		}
	}
	if name != "" && what != name {
		return source, text
	}
	return from, what
}

// global returns the name of the global variable that a register was read from, or of the field of one: "os.exit"; "" for any
// other value.
func (f frame) global(register int) string {
	pc := f.writer(register)
	if pc < 0 {
		return ""
	}
	code := f.proto.Code[pc]
	switch opOf(code) {
	case lua.OP_GETGLOBAL:
		return f.proto.Constants[wideOf(code)].String()
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS:
		before := f
		before.pc = pc
		if owner := before.global(bOf(code)); owner != "" && f.key(cOf(code)) != "" {
			return owner + "." + f.key(cOf(code))
		}
	}
	return ""
}

// key returns a key that is a constant string, or "".
func (f frame) key(c int) string {
	if c&constantBit == 0 {
		return ""
	}
	text, _ := f.proto.Constants[c&^constantBit].(lua.LString)
	return string(text)
}

// writer returns the position of the instruction before the current one that has written the register, or -1 if that depends on a
// jump.
func (f frame) writer(register int) int {
	last, target := -1, 0 // instructions before target may have been jumped over
	for pc := 0; pc < f.pc; pc++ {
		code := f.proto.Code[pc]
		at, written, size := pc, writes(code, register), 0
		switch opOf(code) {
		case lua.OP_JMP:
			if to := pc + 1 + jump(code); to <= f.pc {
				target = max(target, to)
			}
		case lua.OP_CLOSURE: // followed by one pseudo-instruction for each upvalue
			written, size = aOf(code) == register, int(f.proto.FunctionPrototypes[wideOf(code)].NumUpvalues)
		case lua.OP_SETLIST:
			if cOf(code) == 0 {
				size = 1
			}
		case lua.OP_MOVEN: // includes the next C instructions
			size = cOf(code)
			for n := range size + 1 {
				if aOf(f.proto.Code[pc+n]) == register {
					at, written = pc+n, true
				}
			}
		}
		if written && at < target {
			last = -1
		} else if written {
			last = at
		}
		pc += size
	}
	return last
}

// writes reports whether an instruction writes a register.
func writes(code uint32, register int) bool {
	a := aOf(code)
	switch op := opOf(code); op {
	case lua.OP_LOADNIL:
		return a <= register && register <= bOf(code)
	case lua.OP_SELF:
		return register == a || register == a+1
	case lua.OP_CALL, lua.OP_VARARG:
		return register >= a
	case lua.OP_TFORLOOP:
		return register >= a+2
	case lua.OP_FORLOOP:
		return a <= register && register <= a+3
	case lua.OP_MOVE, lua.OP_LOADK, lua.OP_LOADBOOL, lua.OP_GETUPVAL, lua.OP_GETGLOBAL, lua.OP_GETTABLE, lua.OP_GETTABLEKS,
		lua.OP_NEWTABLE, lua.OP_UNM, lua.OP_NOT, lua.OP_LEN, lua.OP_CONCAT, lua.OP_TESTSET:
		return register == a
	default:
		return lua.OP_ADD <= op && op <= lua.OP_POW && register == a
	}
}
