package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Messages of the TOML parser for which there is a remedy. It has no types for them.
var (
	twicePattern  = regexp.MustCompile(`^Key '.*' has already been defined\.$`)
	wordPattern   = regexp.MustCompile(`^expected value but found "(.*)" instead$`)
	letterPattern = regexp.MustCompile(`^expected value but found '(.*)' instead$`)
	morePattern   = regexp.MustCompile(`^expected a top-level item to end with a newline, comment, or EOF, but got`)
)

// syntaxRemedy returns a remedy for a syntax error, or "". It shows nothing of the text that the parser's message does not show:
// it may be a secret.
func syntaxRemedy(text string, syntax toml.ParseError) string {
	key := syntax.LastKey[strings.IndexByte(syntax.LastKey, '.')+1:] // without the section
	word, letter := wordPattern.FindStringSubmatch(syntax.Message), letterPattern.FindStringSubmatch(syntax.Message)
	switch {
	case twicePattern.MatchString(syntax.Message) && syntax.LastKey == "":
		return "; a section can occur only once: move these lines below the first"
	case twicePattern.MatchString(syntax.Message):
		return "; remove one of the two lines"
	case word != nil && slices.Contains([]string{"true", "yes", "on", "false", "no", "off"}, strings.ToLower(word[1])):
		return "; write true or false, or a string in quotes"
	case word != nil && isWholeValue(text, syntax.Position.Line, word[1]):
		return oneLine(fmt.Sprintf("; strings need quotes: %s = %q", key, word[1]))
	case letter != nil && letter[1] == `\n`:
		return `; write a value after the =, or "" for an empty string`
	case word != nil, letter != nil:
		return oneLine(fmt.Sprintf(`; strings need quotes: %s = "..."`, key))
	case morePattern.MatchString(syntax.Message):
		return `; strings need quotes, and so do durations such as "10s" and sizes such as "64KiB"`
	}
	return ""
}

// isWholeValue reports whether a word is the whole value of a line.
func isWholeValue(text string, line int, word string) bool {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return false
	}
	_, value, _ := strings.Cut(lines[line-1], "=")
	value, _, _ = strings.Cut(value, "#")
	return strings.TrimSpace(value) == word
}
