package compile

import (
	"errors"
	"fmt"
	"strings"

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
	bracket := strings.Contains("([{", top.word) && top.word != ""
	block := top.word != "" && !bracket
	switch {
	case n.wantsName():
		return "<name> expected"
	case t.kind == kindEnd && bracket:
		return n.expected(closer(top.word))
	case n.wantsOperand():
		return "unexpected symbol"
	case top.waits && top.word == "if":
		return n.expected("then")
	case top.waits && t.text == "do":
		return "'=' or 'in' expected"
	case top.waits:
		return n.expected("do")
	case bracket:
		return n.expected(closer(top.word))
	case block && (ends(t) || n.last.text == "break"):
		return n.expected(closer(top.word))
	case t.kind != kindEnd && ends(t):
		return n.expected(closer(top.word))
	}
	return "unexpected symbol"
}

// expected names a missing token, and what it would close when that stands on another line.
func (n *nest) expected(missing string) string {
	top := n.top()
	if missing != closer(top.word) || top.word == "" || top.line == n.last.endLine {
		return fmt.Sprintf("'%s' expected", missing)
	}
	return fmt.Sprintf("'%s' expected (to close '%s' at line %d)", missing, top.word, top.line)
}

// ends says whether the token ends a block or a bracket.
func ends(t token) bool {
	switch t.text {
	case "": // the end of the source
		return true
	case "end", "until", "else", "elseif", ")", "]", "}":
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
