// Package compile owns the compilation of a script: it turns the source into a function prototype that gopher-lua runs as Lua
// 5.1 would. It checks the text (scan.go, structure.go), words its syntax errors (message.go), and rewrites the syntax tree
// wherever gopher-lua's compiler would translate it wrongly (rewrite.go, assign.go, fold.go, loop.go, table.go) or its machine
// would compute it wrongly (concat.go, instruction.go); names.go adds the names of variables for error messages. It must not
// know LStates, libraries or files.
//
// It accepts Lua 5.1, with three differences: "goto" is a reserved word, and refused; "[[" may occur in "[[ ]]"; a ";" may
// be a statement.
package compile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// MaxSource is the maximum of bytes of a source: a caller that reads a file can stop there.
const MaxSource = 1 << 20

// Limits of one source. They bound the parser's stack (260 bytes a level), the recursions of the compiler (about 1 KiB a
// level) and its linear searches, and keep its operands of 8 and 18 bits from overflowing.
const (
	maxNesting    = 200         // blocks, brackets and incomplete operators inside each other; as in Lua
	maxDepth      = 1000        // levels of the syntax tree; "a + b + c" and "elseif" add to it but not to the nesting
	maxFunctions  = 10_000      // in one source; the compiler allocates 12 KiB for each
	maxUpvalues   = 255         // of one function; the prototype counts them in a byte
	maxJumpCode   = 1 << 16     // instructions of a function with jumps: their distances and labels take 18 bits
	maxArrayItems = 511 * 50    // of a table constructor in groups of 50; the number of the group takes 9 bits
	maxWork       = 200_000_000 // comparisons of 3 to 10 ns: 20,000 different constants in one function
)

// Constants of gopher-lua.
const (
	registers     = 200 // of one function
	itemsPerFlush = 50  // of a table constructor, which make a group
)

// SyntaxError says why a source cannot be compiled. It is the only type of error that Compile returns.
type SyntaxError struct {
	File    string
	Line    int // from 1
	Column  int // in bytes, from 1; 0: unknown
	Message string
}

func (e *SyntaxError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Compile parses, rewrites and compiles a source. name is for errors and tracebacks, by convention the path:
// "scripts/giveaway/manager.lua". A byte order mark and a first line that begins with "#" are skipped. The error, if any,
// is a *SyntaxError. Compile is safe for concurrent use and does not keep source. Any number of states may run the
// prototype.
func Compile(name string, source []byte) (*lua.FunctionProto, error) {
	proto, problem := compile(name, source)
	if problem != nil {
		problem.File = name
		problem.Line = max(problem.Line, 1) & lineMask
		return nil, problem
	}
	return proto, nil
}

func compile(name string, source []byte) (*lua.FunctionProto, *SyntaxError) {
	if len(source) > MaxSource {
		return nil, &SyntaxError{Message: fmt.Sprintf("the source is larger than %d bytes", MaxSource)}
	}
	text, problem := scan(source)
	chunk, err := parseText(name, text)
	if err != nil {
		problem = firstProblem(text, err, problem)
	}
	if problem != nil {
		return nil, problem
	}
	chunk, names, problem := rewrite(chunk)
	if problem != nil {
		return nil, problem
	}
	proto, err := compileTree(name, chunk)
	if err != nil {
		return nil, compilerProblem(err)
	}
	if problem = trim(proto); problem != nil {
		return nil, problem
	}
	moveNames(proto, names)
	replaceInstructions(proto)
	return proto, nil
}

// scan reads the source once. It returns the text for the parser, in which comments are blank, and the first problem that
// can be found without the grammar; then the text ends before it.
func scan(source []byte) ([]byte, *SyntaxError) {
	s := newScanner(source)
	n := newStructure()
	for {
		t, problem := s.next()
		if problem == nil {
			problem = n.add(t)
		}
		if problem != nil {
			return s.text[:t.offset], problem
		}
		if t.kind == kindEnd {
			return s.text, nil
		}
	}
}

// parseText parses a text. It returns an error for every panic of the parser; Parse itself recovers only panics that are
// errors.
func parseText(name string, text []byte) (chunk []ast.Stmt, err error) {
	defer guard("parser", &err)
	chunk, err = parse.Parse(bytes.NewReader(text), name)
	if chunk == nil && err == nil {
		err = errors.New("compile: gopher-lua's parser returned nothing")
	}
	return chunk, err
}

func compileTree(name string, chunk []ast.Stmt) (proto *lua.FunctionProto, err error) {
	defer guard("compiler", &err)
	return lua.Compile(chunk, name)
}

// guard, when deferred, turns a panic of a part of gopher-lua into an error.
func guard(part string, err *error) {
	if problem := recover(); problem != nil {
		*err = fmt.Errorf("compile: gopher-lua's %s panicked: %v", part, problem)
	}
}

// compilerProblem converts an error of the compiler, which has at best a line, often only that of the function.
func compilerProblem(err error) *SyntaxError {
	e, ok := errors.AsType[*lua.CompileError](err)
	if !ok {
		return &SyntaxError{Message: err.Error()}
	}
	switch e.Message {
	case "too many local variables", "register overflow", "register overflow(too many local variables)":
		return &SyntaxError{Line: e.Line, Message: fmt.Sprintf("too many local variables, or an expression too long (a function has %d registers)", registers)}
	}
	return &SyntaxError{Line: e.Line, Message: e.Message}
}

// trim refuses functions that the compiler accepts although they do not fit into its instructions, and frees the unused rest of
// the arrays of 1,024 instructions that the compiler allocates even for the smallest function.
func trim(proto *lua.FunctionProto) *SyntaxError {
	if len(proto.DbgUpvalues) > maxUpvalues {
		return &SyntaxError{Line: proto.LineDefined, Message: fmt.Sprintf("function uses more than %d outer local variables", maxUpvalues)}
	}
	if len(proto.Code) > maxJumpCode && slices.ContainsFunc(proto.Code, isJump) {
		return &SyntaxError{Line: proto.LineDefined, Message: fmt.Sprintf("function too long (more than %d instructions, with isJump)", maxJumpCode)}
	}
	proto.Code = slices.Clone(proto.Code)
	proto.DbgSourcePositions = slices.Clone(proto.DbgSourcePositions)
	for _, inner := range proto.FunctionPrototypes {
		if problem := trim(inner); problem != nil {
			return problem
		}
	}
	return nil
}

func isJump(instruction uint32) bool {
	switch int(instruction >> 26) {
	case lua.OP_JMP, lua.OP_FORPREP, lua.OP_FORLOOP, lua.OP_NOP:
		return true
	}
	return false
}
