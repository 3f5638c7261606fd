package compile

import (
	"errors"
	"fmt"

	"github.com/yuin/gopher-lua/parse"
)

// earlier returns the problem to report of a text that the parser refused: its own, unless it merely missed what stood
// behind the end of a text that was cut off before a known problem.
func earlier(text []byte, err error, known *SyntaxError) *SyntaxError {
	var e *parse.Error
	if !errors.As(err, &e) {
		return &SyntaxError{Message: err.Error()}
	}
	if known != nil && e.Pos.Line == parse.EOF {
		return known
	}
	s := newScanner(text)
	n := newNest()
	for {
		t, problem := s.next()
		if problem != nil {
			return problem
		}
		if t.kind == kindEnd || t.endLine > e.Pos.Line && e.Pos.Line != parse.EOF ||
			t.endLine == e.Pos.Line && t.endColumn >= e.Pos.Column {
			return t.problem(n.complaint(t))
		}
		if problem = n.take(t); problem != nil {
			return problem
		}
	}
}

// complaint says what is wrong about a token that cannot stand here, in the words of Lua where it can tell.
func (n *nest) complaint(t token) string {
	top := n.top()
	bracket := top.word == "(" || top.word == "[" || top.word == "{"
	switch {
	case n.wantsName():
		return "'<name>' expected"
	case t.kind == kindEnd && bracket:
		return n.expected(closer(top.word), t)
	case n.wantsOperand():
		return "unexpected symbol"
	case top.waits && top.word == "if":
		return n.expected("then", t)
	case top.waits && t.text == "do":
		return "'=' or 'in' expected"
	case top.waits:
		return n.expected("do", t)
	case bracket, n.last.text == "break", endsBlock(t):
		return n.expected(closer(top.word), t)
	}
	return "unexpected symbol"
}

// expected names a missing token, and what it would close when that stands on another line.
func (n *nest) expected(missing string, t token) string {
	top := n.top()
	switch {
	case missing == "<eof>" && t.kind == kindEnd:
		return "unexpected symbol"
	case missing != closer(top.word) || top.word == "" || top.line == t.line:
		return fmt.Sprintf("'%s' expected", missing)
	}
	return fmt.Sprintf("'%s' expected (to close '%s' at line %d)", missing, top.word, top.line)
}

// endsBlock says whether the token ends a block, or the source.
func endsBlock(t token) bool {
	switch t.text {
	case "", "end", "until", "else", "elseif":
		return true
	}
	return false
}

func (n *nest) wantsName() bool {
	switch n.last.text {
	case "local", "for", ".", ":":
		return true
	case ",":
		return n.declares
	}
	return false
}

// wantsOperand says whether the last token needs something behind it.
func (n *nest) wantsOperand() bool {
	if n.complete() {
		return false
	}
	switch n.last.text {
	case "", ";", "then", "do", "else", "repeat", "return", "break":
		return false
	}
	return true
}

// complete says whether the last token may end an expression.
func (n *nest) complete() bool {
	switch n.last.kind {
	case kindName, kindNumber, kindString:
		return true
	}
	switch n.last.text {
	case ")", "]", "}", "end", "nil", "true", "false", "...":
		return true
	}
	return false
}
