package compile

import "slices"

// opener is a word or bracket that waits for its end.
type opener struct {
	word    string // "" for the source itself
	line    int
	waits   bool // "if" for its "then", "while" and "for" for their "do"
	params  bool // "(" of a parameter list
	call    bool // "{" of a table that is the argument of a call
	varargs bool // "function" with "..."
	chain   int  // operators of this level that wait for their right side: unary ones, ".." and "^"
}

// nest follows which blocks and brackets are open while tokens go by. It refuses what nests too deeply for the parser and
// the compiler, and what Lua 5.1 refuses but gopher-lua's parser lets pass.
type nest struct {
	open     []opener // the first is the source itself
	depth    int      // openers and chains together
	last     token
	callable bool // the last token ends something that can be called
	naming   bool // between "function" and "("
	declares bool // among the names after "local"
}

func newNest() *nest { return &nest{open: []opener{{}}} }

func (n *nest) top() *opener { return &n.open[len(n.open)-1] }

// take follows one more token.
func (n *nest) take(t token) *SyntaxError {
	if message := n.refusal(t); message != "" {
		return t.problem(message)
	}
	if !n.follow(t) {
		return t.problem(n.complaint(t))
	}
	n.count(t)
	if n.depth > maxNesting {
		return t.problem("too many levels of blocks, brackets or operators")
	}
	n.remember(t)
	return nil
}

// refusal says why the token cannot stand here, for reasons that no other token could mend.
func (n *nest) refusal(t token) string {
	switch t.text {
	case "goto", "::":
		return "goto is not supported (nor is it Lua 5.1): leave loops with break or return"
	case "break":
		if !n.inLoop() {
			return "no loop to break"
		}
	case "...":
		if !n.acceptVarargs() {
			return "cannot use '...' outside a vararg function"
		}
	case ",", ";":
		if n.top().word == "{" && (n.last.text == "," || n.last.text == ";") {
			return "unexpected symbol"
		}
	case "(":
		// Without this a statement that begins with a bracket would silently become the arguments of the one before.
		// Lua too does not mind behind a name that is the item of a table.
		if n.callable && t.line != n.last.endLine && n.top().word != "{" {
			return "ambiguous syntax (function call x new statement)"
		}
	}
	return ""
}

func (n *nest) inLoop() bool {
	for _, o := range slices.Backward(n.open) {
		switch o.word {
		case "while", "for", "repeat":
			return true
		case "function":
			return false
		}
	}
	return false
}

// acceptVarargs says whether "..." may stand here; in a parameter list it marks the function.
func (n *nest) acceptVarargs() bool {
	if n.top().params {
		n.open[len(n.open)-2].varargs = true
		return true
	}
	for _, o := range slices.Backward(n.open) {
		if o.word == "function" {
			return o.varargs
		}
	}
	return true
}

// follow opens and closes; it says whether what the token closes is what is open.
func (n *nest) follow(t token) bool {
	if t.kind == kindEnd {
		return len(n.open) == 1
	}
	top := n.top()
	switch t.text {
	case "function", "repeat", "(", "[", "{":
		n.push(opener{word: t.text, line: t.line, params: t.text == "(" && n.naming, call: n.callable})
	case "if", "while", "for":
		n.push(opener{word: t.text, line: t.line, waits: true})
	case "do":
		if !top.waits || top.word == "if" {
			n.push(opener{word: t.text, line: t.line})
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
		n.depth -= 1 + top.chain
		n.callable = t.text == ")" && !top.params || t.text == "]" || t.text == "}" && top.call
		n.open = n.open[:len(n.open)-1]
	}
	return true
}

func (n *nest) push(o opener) {
	n.open = append(n.open, o)
	n.depth++
}

// closer returns the token that ends what the word opens.
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

// count adds operators that keep their left side on the parser's stack, and forgets them where the expression ends.
func (n *nest) count(t token) {
	top := n.top()
	switch t.text {
	case "..", "^", "not", "#":
		top.chain++
		n.depth++
	case "-":
		if !n.complete() {
			top.chain++
			n.depth++
		}
	case ",", ";", "=", "==", "~=", "<", "<=", ">", ">=", "and", "or", "then", "do", "else", "elseif", "return", "local",
		"break", "in":
		n.depth -= top.chain
		top.chain = 0
	}
}

// remember notes what the next token needs to know of this one.
func (n *nest) remember(t token) {
	n.declares = t.text == "local" || n.declares && (t.kind == kindName || t.text == ",")
	n.naming = t.text == "function" || n.naming && t.text != "("
	switch {
	case t.kind == kindName:
		n.callable = !n.declares && !n.naming
	case t.kind == kindString:
		// Behind something callable it is an argument, and the result can be called again.
	case t.text != ")" && t.text != "]" && t.text != "}":
		n.callable = false
	}
	n.last = t
}
