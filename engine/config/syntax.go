package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// What the TOML reader says where there is more to say about it.
var (
	saysTwice  = regexp.MustCompile(`^Key '.*' has already been defined\.$`)
	saysWord   = regexp.MustCompile(`^expected value but found "(.*)" instead$`)
	saysLetter = regexp.MustCompile(`^expected value but found '(.*)' instead$`)
	saysMore   = regexp.MustCompile(`^expected a top-level item to end with a newline, comment, or EOF, but got`)
)

// syntaxRemedy says what would be right, where that can be told from what the reader says of a text. It shows nothing of the
// text that the reader does not show: a secret may stand there.
func syntaxRemedy(text string, syntax toml.ParseError) string {
	_, key, dotted := strings.Cut(syntax.LastKey, ".")
	if !dotted {
		key = syntax.LastKey
	}
	word, letter := saysWord.FindStringSubmatch(syntax.Message), saysLetter.FindStringSubmatch(syntax.Message)
	switch {
	case saysTwice.MatchString(syntax.Message) && syntax.LastKey == "":
		return "; a section stands there once: put what follows below the first"
	case saysTwice.MatchString(syntax.Message):
		return "; leave one of the two lines out"
	case word != nil && slices.Contains([]string{"true", "yes", "on", "false", "no", "off"}, strings.ToLower(word[1])):
		return "; write true or false, or a text in quotes"
	case word != nil && aloneInLine(text, syntax.Position.Line, word[1]):
		return oneLine(fmt.Sprintf("; texts stand in quotes: %s = %q", key, word[1]))
	case letter != nil && letter[1] == `\n`:
		return `; write a value behind the =, "" for an empty text`
	case word != nil, letter != nil:
		return oneLine(fmt.Sprintf(`; texts stand in quotes: %s = "..."`, key))
	case saysMore.MatchString(syntax.Message):
		return `; texts stand in quotes, and so do durations as "10s" and sizes as "64KiB"`
	}
	return ""
}

// aloneInLine tells whether a word is the whole value of a line.
func aloneInLine(text string, line int, word string) bool {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return false
	}
	_, value, _ := strings.Cut(lines[line-1], "=")
	value, _, _ = strings.Cut(value, "#")
	return strings.TrimSpace(value) == word
}
