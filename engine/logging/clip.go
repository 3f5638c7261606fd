package logging

import (
	"fmt"
	"unicode/utf8"
)

// MaxValue is how many bytes of a text a line of the log shows: enough for a traceback or a message from a client, while
// a script may have a text of many megabytes in its hands.
const MaxValue = 4 << 10

// Clip returns the text, or of a longer one its beginning and how much is missing.
func Clip(text string) string {
	if len(text) <= MaxValue {
		return text
	}
	end := MaxValue
	for end > MaxValue-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s... (%d more bytes)", text[:end], len(text)-end)
}
