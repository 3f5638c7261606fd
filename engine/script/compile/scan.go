package compile

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	kindEnd kind = iota // the end of the source
	kindName
	kindKeyword
	kindNumber
	kindString
	kindSymbol
)

// token is one word of the source. Columns count bytes from 1, as the parser does.
type token struct {
	kind               kind
	text               string // as written, strings with their quotes; "" at the end of the source
	offset             int
	line, column       int // of its first byte
	endLine, endColumn int // of its last byte
}

// near returns the token for an error message, in one line.
func (t token) near() string {
	const longest = 40 // bytes of a token to quote
	if t.kind == kindEnd {
		return " near '<eof>'"
	}
	text, _, cut := strings.Cut(t.text, "\n")
	if len(text) > longest {
		text, cut = strings.ToValidUTF8(text[:longest], ""), true
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
	if cut {
		text += "..."
	}
	return " near '" + text + "'"
}

// problem returns a syntax error at the token.
func (t token) problem(message string) *SyntaxError {
	return &SyntaxError{Line: t.line, Column: t.column, Message: message + t.near()}
}

// scanner splits a source into tokens as Lua does. If gopher-lua's own scanner would read the text differently, it changes or
// refuses the text: it blanks comments ("--[==" without a second bracket is a short comment, not an error) and the white space
// that gopher-lua does not know, and refuses malformed numbers ("3x") and escapes ("\300").
type scanner struct {
	text  []byte // the source, blanked up to pos
	pos   int
	line  int
	start int // offset of the line
}

// newScanner copies the source, without a byte order mark.
func newScanner(source []byte) *scanner {
	s := &scanner{text: bytes.Clone(bytes.TrimPrefix(source, []byte("\ufeff"))), line: 1}
	if s.peek(0) == '#' {
		s.blankLine()
	}
	return s
}

// peek returns the byte at a distance from the current one; 0 after the end.
func (s *scanner) peek(ahead int) byte {
	if s.pos+ahead >= len(s.text) {
		return 0
	}
	return s.text[s.pos+ahead]
}

func (s *scanner) more() bool { return s.pos < len(s.text) }

// newline steps over the end of a line: one byte, or "\r\n" or "\n\r".
func (s *scanner) newline() {
	first := s.peek(0)
	s.pos++
	if second := s.peek(0); (second == '\n' || second == '\r') && second != first {
		s.pos++
	}
	s.line++
	s.start = s.pos
}

// step skips one byte, or the end of a line.
func (s *scanner) step() {
	if c := s.peek(0); c == '\n' || c == '\r' {
		s.newline()
		return
	}
	s.pos++
}

// next returns the next token. If there is a problem, only the offset of the token is valid.
func (s *scanner) next() (token, *SyntaxError) {
	if problem := s.skip(); problem != nil {
		return token{offset: len(s.text)}, problem
	}
	t := token{offset: s.pos, line: s.line, column: s.pos - s.start + 1}
	if !s.more() {
		t.endLine, t.endColumn = t.line, t.column
		return t, nil
	}
	message := s.read(&t)
	t.text = string(s.text[t.offset:s.pos])
	t.endLine, t.endColumn = s.line, s.pos-s.start
	if message != "" {
		return t, t.problem(message)
	}
	return t, nil
}

// skip skips white space and comments, and blanks the comments.
func (s *scanner) skip() *SyntaxError {
	for s.more() {
		switch c := s.peek(0); {
		case c == '\n' || c == '\r':
			s.newline()
		case c == ' ' || c == '\t':
			s.pos++
		case c == '\v' || c == '\f':
			s.text[s.pos] = ' '
			s.pos++
		case c == '-' && s.peek(1) == '-':
			if problem := s.comment(); problem != nil {
				return problem
			}
		default:
			return nil
		}
	}
	return nil
}

func (s *scanner) comment() *SyntaxError {
	begin := s.pos
	opening := token{kind: kindSymbol, text: "--[[", line: s.line, column: s.pos - s.start + 1}
	s.pos += 2
	level := s.bracketLevel()
	if level < 0 {
		s.pos = begin
		s.blankLine()
		return nil
	}
	closed := s.longBracket(level)
	for i := begin; i < s.pos; i++ {
		if c := s.text[i]; c != '\n' && c != '\r' {
			s.text[i] = ' '
		}
	}
	if !closed {
		return opening.problem("unfinished long comment")
	}
	return nil
}

func (s *scanner) blankLine() {
	for s.more() && s.peek(0) != '\n' && s.peek(0) != '\r' {
		s.text[s.pos] = ' '
		s.pos++
	}
}

// bracketLevel returns the number of equals signs of a long bracket that opens here; -1 if none does.
func (s *scanner) bracketLevel() int {
	if s.peek(0) != '[' {
		return -1
	}
	level := 0
	for s.peek(1+level) == '=' {
		level++
	}
	if s.peek(1+level) != '[' {
		return -1
	}
	return level
}

// longBracket skips a long bracket of that level and reports whether it was closed.
func (s *scanner) longBracket(level int) bool {
	s.pos += level + 2
	for s.more() {
		if s.peek(0) != ']' {
			s.step()
			continue
		}
		s.pos++
		equals := 0
		for s.peek(0) == '=' {
			equals++
			s.pos++
		}
		if equals == level && s.peek(0) == ']' {
			s.pos++
			return true
		}
	}
	return false
}

// read skips the token that begins here and sets its kind. It returns what is wrong with it, or "".
func (s *scanner) read(t *token) string {
	c := s.peek(0)
	switch {
	case isLetter(c):
		for isLetter(s.peek(0)) || isDigit(s.peek(0)) {
			s.pos++
		}
		t.kind = kindName
		if isKeyword(string(s.text[t.offset:s.pos])) {
			t.kind = kindKeyword
		}
		return ""
	case isDigit(c) || c == '.' && isDigit(s.peek(1)):
		t.kind = kindNumber
		return s.number()
	case c == '"' || c == '\'':
		t.kind = kindString
		return s.quotedString(c)
	case c == '[' && s.bracketLevel() >= 0:
		t.kind = kindString
		if !s.longBracket(s.bracketLevel()) {
			return "unfinished long string"
		}
		return ""
	}
	t.kind = kindSymbol
	return s.symbol()
}

func (s *scanner) symbol() string {
	if s.peek(0) == '[' && s.peek(1) == '=' {
		s.pos += 2
		return "invalid long string delimiter"
	}
	rest := s.text[s.pos:min(s.pos+3, len(s.text))]
	for _, long := range [...]string{"...", "..", "==", "~=", "<=", ">=", "::"} {
		if bytes.HasPrefix(rest, []byte(long)) {
			s.pos += len(long)
			return ""
		}
	}
	if bytes.IndexByte([]byte("+-*/%^#<>=(){}[];:,."), rest[0]) >= 0 {
		s.pos++
		return ""
	}
	_, size := utf8.DecodeRune(s.text[s.pos:])
	s.pos += size
	return "unexpected symbol"
}

// number skips the characters that Lua reads as one numeral, well-formed or not.
func (s *scanner) number() string {
	begin := s.pos
	for isDigit(s.peek(0)) || s.peek(0) == '.' {
		s.pos++
	}
	if c := s.peek(0); c == 'e' || c == 'E' {
		s.pos++
		if c = s.peek(0); c == '+' || c == '-' {
			s.pos++
		}
	}
	for isLetter(s.peek(0)) || isDigit(s.peek(0)) {
		s.pos++
	}
	if _, ok := numeral(string(s.text[begin:s.pos])); !ok {
		return "malformed number"
	}
	return ""
}

// quotedString skips a string in quotes.
func (s *scanner) quotedString(quote byte) string {
	s.pos++
	for s.more() {
		switch c := s.peek(0); c {
		case quote:
			s.pos++
			return ""
		case '\n', '\r':
			return "unfinished string"
		case '\\':
			s.pos++
			if !isDigit(s.peek(0)) {
				s.step()
				continue
			}
			begin := s.pos
			for s.pos < begin+3 && isDigit(s.peek(0)) {
				s.pos++
			}
			if code, err := strconv.Atoi(string(s.text[begin:s.pos])); err != nil || code > 255 {
				return "escape sequence too large"
			}
		default:
			s.pos++
		}
	}
	s.pos = len(s.text)
	return "unfinished string"
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isKeyword reports whether a word is one of the reserved words of gopher-lua: those of Lua 5.1, and "goto".
func isKeyword(word string) bool {
	switch word {
	case "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
		"not", "or", "repeat", "return", "then", "true", "until", "while":
		return true
	}
	return false
}
