package compile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/yuin/gopher-lua/parse"
)

// firstProblem returns the problem to report of a text that the parser refused: the parser's, unless the parser only complains
// about the end of the text, which is cut before a known problem.
func firstProblem(text []byte, err error, known *SyntaxError) *SyntaxError {
	e, ok := errors.AsType[*parse.Error](err)
	if !ok {
		return &SyntaxError{Message: err.Error()}
	}
	if known != nil && e.Pos.Line == parse.EOF {
		return known
	}
	s := newScanner(text)
	n := newStructure()
	for {
		t, problem := s.next()
		if problem != nil {
			return problem
		}
		if t.kind == kindEnd || t.endLine > e.Pos.Line && e.Pos.Line != parse.EOF ||
			t.endLine == e.Pos.Line && t.endColumn >= e.Pos.Column {
			return t.problem(n.message(t))
		}
		if problem = n.add(t); problem != nil {
			return problem
		}
	}
}

// message says what is wrong with a token that cannot be here, if possible in the words of Lua.
func (s *structure) message(t token) string {
	top := s.top()
	bracket := top.word == "(" || top.word == "[" || top.word == "{"
	switch {
	case s.wantsName():
		return "'<name>' expected"
	case t.kind == kindEnd && bracket:
		return s.expected(closer(top.word), t)
	case s.wantsOperand():
		return "unexpected symbol"
	case top.waits && top.word == "if":
		return s.expected("then", t)
	case top.waits && t.text == "do":
		return "'=' or 'in' expected"
	case top.waits:
		return s.expected("do", t)
	case bracket, s.last.text == "break", endsBlock(t):
		return s.expected(closer(top.word), t)
	}
	return "unexpected symbol"
}

// expected names a missing token, and the token that it would close if that is on another line.
func (s *structure) expected(missing string, t token) string {
	top := s.top()
	switch {
	case missing == "<eof>" && t.kind == kindEnd:
		return "unexpected symbol"
	case missing != closer(top.word) || top.word == "" || top.line == t.line:
		return fmt.Sprintf("'%s' expected", missing)
	}
	return fmt.Sprintf("'%s' expected (to close '%s' at line %d)", missing, top.word, top.line)
}

// endsBlock reports whether the token ends a block, or the source.
func endsBlock(t token) bool {
	return slices.Contains([]string{"", "end", "until", "else", "elseif"}, t.text)
}

func (s *structure) wantsName() bool {
	switch s.last.text {
	case "local", "for", ".", ":":
		return true
	case ",":
		return s.declares
	}
	return false
}

// wantsOperand reports whether the last token must be followed by an operand.
func (s *structure) wantsOperand() bool {
	optional := []string{"", ";", "then", "do", "else", "repeat", "return", "break"}
	return !s.complete() && !slices.Contains(optional, s.last.text)
}

// complete reports whether the last token may end an expression.
func (s *structure) complete() bool {
	switch s.last.kind {
	case kindName, kindNumber, kindString:
		return true
	}
	switch s.last.text {
	case ")", "]", "}", "end", "nil", "true", "false", "...":
		return true
	}
	return false
}
