package compile

import "github.com/yuin/gopher-lua/ast"

// Word is a name or a string in a source.
type Word struct {
	Text         string // of a name
	Quoted       bool   // it is a string
	Line, Column int    // from 1
}

// Parse returns the syntax tree of a source, before Compile would rewrite it, and its names and strings in the order of the source.
// The tree has lines, but no columns.
func Parse(name string, source []byte) ([]ast.Stmt, []Word, error) {
	text, problem := scan(source)
	if problem != nil {
		problem.File = name
		return nil, nil, problem
	}
	chunk, err := parseText(name, text)
	if err != nil {
		return nil, nil, err
	}
	var words []Word
	s := newScanner(source)
	for {
		t, problem := s.next()
		if problem != nil { // scan would have found it
			problem.File = name
			return nil, nil, problem
		}
		switch t.kind {
		case kindEnd:
			return chunk, words, nil
		case kindName, kindString:
			words = append(words, Word{Text: t.text, Quoted: t.kind == kindString, Line: t.line, Column: t.column})
		}
	}
}
