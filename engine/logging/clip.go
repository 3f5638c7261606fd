package logging

import (
	"fmt"
	"unicode/utf8"
)

// MaxValue is how many bytes of a text a line of the log shows: enough for a traceback or a message from a client, while
// a script may have a text of many megabytes in its hands.
const MaxValue = 4 << 10

// Clip returns the text, or of one that is longer than limit its beginning and how much is missing. The limit is in bytes.
func Clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit
	for end > limit-utf8.UTFMax && end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s... (%d more bytes)", text[:end], len(text)-end)
}
