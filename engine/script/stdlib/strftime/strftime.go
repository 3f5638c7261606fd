// Package strftime writes points in time as C's strftime does.
package strftime

import (
	"strconv"
	"time"
)

// Letters are what strftime's letters stand for.
type Letters map[byte]string

// Append adds what strftime makes of one letter in the C locale (C99, 7.23.3.5). Any other byte stays as it stands,
// with its %. zone is the name of the time zone.
func (l Letters) Append(dst []byte, t time.Time, letter byte, zone string) []byte {
	if layout, ok := l[letter]; ok {
		return t.AppendFormat(dst, layout)
	}
	letters := "" // of what the letter stands for
	weekday := int(t.Weekday())
	monday := modulo(weekday-1, 7) // days since Monday
	week := t.YearDay() + 6        // of the first week's first day at least
	isoYear, isoWeek := t.ISOWeek()
	switch letter {
	case 'C':
		return appendNumber(dst, (t.Year()-modulo(t.Year(), 100))/100, 2)
	case 'g':
		return appendNumber(dst, modulo(isoYear, 100), 2)
	case 'G':
		return appendNumber(dst, isoYear, 1)
	case 'u':
		return appendNumber(dst, monday+1, 1)
	case 'U':
		return appendNumber(dst, (week-weekday)/7, 2)
	case 'V':
		return appendNumber(dst, isoWeek, 2)
	case 'w':
		return appendNumber(dst, weekday, 1)
	case 'W':
		return appendNumber(dst, (week-monday)/7, 2)
	case 'y':
		return appendNumber(dst, modulo(t.Year(), 100), 2)
	case 'Y':
		return appendNumber(dst, t.Year(), 1)
	case 'Z':
		return append(dst, zone...)
	case '%':
		return append(dst, '%')
	case 'c':
		letters = "a b e T Y"
	case 'D', 'x':
		letters = "m/d/y"
	case 'F':
		letters = "Y-m-d"
	default:
		return append(dst, '%', letter)
	}
	for i := range len(letters) {
		switch b := letters[i]; b {
		case ' ', '/', '-':
			dst = append(dst, b)
		default:
			dst = l.Append(dst, t, b, zone)
		}
	}
	return dst
}

// New returns Go's words for letters. It has none for years: Go fills them up to 4 digits.
func New() Letters {
	return Letters{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'h': "Jan", 'H': "15", 'I': "03",
		'j': "002", 'm': "01", 'M': "04", 'n': "\n", 'p': "PM", 'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 't': "\t",
		'T': "15:04:05", 'X': "15:04:05", 'z': "-0700",
	}
}

// modulo is never negative.
func modulo(a, b int) int { return (a%b + b) % b }

// appendNumber adds n, filled up with zeros.
func appendNumber(dst []byte, n, width int) []byte {
	digits := strconv.Itoa(n)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
