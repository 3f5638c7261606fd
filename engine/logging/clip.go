package logging

import (
	"fmt"
	"unicode/utf8"
)

// MaxValue is how many bytes of a text a log line shows at most: enough for a traceback or a message from a client. Texts of
// scripts may have many megabytes.
const MaxValue = 4 << 10

// Clip returns the text. If it is longer than limit, in bytes, Clip returns its beginning and how much is missing.
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
