package compile

import "slices"

// opener is an open block or bracket.
type opener struct {
	word    string // "" for the source itself
	line    int
	waits   bool // "if" before its "then", "while" and "for" before their "do"
	params  bool // "(" of a parameter list
	call    bool // "{" of a table that is the argument of a call
	varargs bool // "function" with "..."
	chain   int  // operators of this level whose right side is not complete: unary ones, ".." and "^"
}

// structure tracks the open blocks and brackets, token by token. It refuses text that is nested too deeply for the parser and
// the compiler, and text that Lua 5.1 refuses but gopher-lua's parser accepts.
type structure struct {
	open     []opener // the first is the source itself
	depth    int      // openers and chains together
	last     token
	callable bool // the last token ends something that can be called
	naming   bool // between "function" and "("
	declares bool // among the names after "local"
}

func newStructure() *structure { return &structure{open: []opener{{}}} }

func (s *structure) top() *opener { return &s.open[len(s.open)-1] }

// add takes the next token.
func (s *structure) add(t token) *SyntaxError {
	if message := s.forbidden(t); message != "" {
		return t.problem(message)
	}
	if !s.openOrClose(t) {
		return t.problem(s.message(t))
	}
	s.countOperator(t)
	if s.depth > maxNesting {
		return t.problem("too many levels of blocks, brackets or operators")
	}
	s.setContext(t)
	return nil
}

// forbidden returns the reason why the token must not be here, or "" if it may.
func (s *structure) forbidden(t token) string {
	switch t.text {
	case "goto", "::":
		return "goto is not supported (nor is it Lua 5.1): leave loops with break or return"
	case "break":
		if !s.inLoop() {
			return "no loop to break"
		}
	case "...":
		if !s.acceptVarargs() {
			return "cannot use '...' outside a vararg function"
		}
	case ",", ";":
		if s.top().word == "{" && (s.last.text == "," || s.last.text == ";") {
			return "unexpected symbol"
		}
	case "(":
		// Without this check a statement that begins with a bracket would silently become the arguments of the one before.
		// Lua, too, accepts it after a name that is the item of a table.
		if s.callable && t.line != s.last.endLine && s.top().word != "{" {
			return "ambiguous syntax (function call x new statement)"
		}
	}
	return ""
}

func (s *structure) inLoop() bool {
	for _, o := range slices.Backward(s.open) {
		switch o.word {
		case "while", "for", "repeat":
			return true
		case "function":
			return false
		}
	}
	return false
}

// acceptVarargs reports whether "..." may be here; in a parameter list it marks the function.
func (s *structure) acceptVarargs() bool {
	if s.top().params {
		s.open[len(s.open)-2].varargs = true
		return true
	}
	for _, o := range slices.Backward(s.open) {
		if o.word == "function" {
			return o.varargs
		}
	}
	return true
}

// openOrClose opens and closes blocks and brackets. It returns false if the token closes something that is not open.
func (s *structure) openOrClose(t token) bool {
	if t.kind == kindEnd {
		return len(s.open) == 1
	}
	top := s.top()
	switch t.text {
	case "function", "repeat", "(", "[", "{":
		s.push(opener{word: t.text, line: t.line, params: t.text == "(" && s.naming, call: s.callable})
	case "if", "while", "for":
		s.push(opener{word: t.text, line: t.line, waits: true})
	case "do":
		if !top.waits || top.word == "if" {
			s.push(opener{word: t.text, line: t.line})
			break
		}
		top.waits = false
	case "then":
		top.waits = false
	case "elseif":
		top.waits = top.word == "if"
	case "end", "until", ")", "]", "}":
		if closer(top.word) != t.text {
			return false
		}
		s.depth -= 1 + top.chain
		s.callable = t.text == ")" && !top.params || t.text == "]" || t.text == "}" && top.call
		s.open = s.open[:len(s.open)-1]
	}
	return true
}

func (s *structure) push(o opener) {
	s.open = append(s.open, o)
	s.depth++
}

// closer returns the token that closes the block or bracket that a word opens.
func closer(word string) string {
	switch word {
	case "(":
		return ")"
	case "[":
		return "]"
	case "{":
		return "}"
	case "repeat":
		return "until"
	case "":
		return "<eof>"
	}
	return "end"
}

// countOperator counts operators that keep their left side on the parser's stack, until the expression ends.
func (s *structure) countOperator(t token) {
	top := s.top()
	switch t.text {
	case "..", "^", "not", "#":
		top.chain++
		s.depth++
	case "-":
		if !s.complete() {
			top.chain++
			s.depth++
		}
	case ",", ";", "=", "==", "~=", "<", "<=", ">", ">=", "and", "or", "then", "do", "else", "elseif", "return", "local",
		"break", "in":
		s.depth -= top.chain
		top.chain = 0
	}
}

// setContext stores the state on which the check of the next token depends.
func (s *structure) setContext(t token) {
	s.declares = t.text == "local" || s.declares && (t.kind == kindName || t.text == ",")
	s.naming = t.text == "function" || s.naming && t.text != "("
	switch {
	case t.kind == kindName:
		s.callable = !s.declares && !s.naming
	case t.kind == kindString:
		// After something callable it is an argument, and the result can be called again.
	case t.text != ")" && t.text != "]" && t.text != "}":
		s.callable = false
	}
	s.last = t
}
