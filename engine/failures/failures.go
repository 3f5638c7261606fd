// Package failures keeps the latest failures of scripts, for operators: what failed where, how often, and what had been sent. It must
// not know scripts, nor who may see a failure: what it keeps may contain secrets.
package failures

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"perigee/engine/logging"
)

// Bounds of a Log: it takes 1.5 MiB at most.
const (
	maxFailures = 100
	maxRefs     = 32  // the latest references that one failure has in the log
	around      = 3   // lines before the place, and as many after it
	maxLine     = 200 // bytes of a line of source
)

// Failure describes the failures of scripts at one place.
type Failure struct {
	// Ref is the reference that the latest one has in the log.
	Ref         string
	First, Last time.Time
	Count       int
	// Turn is the name of the turn, Generation the number of the scripts.
	Turn       string
	Generation int
	Error      string
	Place      string // "scripts/chat.lua:12", or ""
	Traceback  string
	UUID       string // of the connection, or ""
	// Input is the beginning of what was handled, JSON text: a message, or the arguments of a command. InputSize is the length of all.
	Input     []byte
	InputSize int
	// Source are the lines around Place, as they ran.
	Source []Line
}

// Line is a line of source.
type Line struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// Log keeps failures. It is safe for concurrent use. The zero Log is empty; a nil Log keeps nothing.
type Log struct {
	mu sync.Mutex
	// Guarded by mu.
	kept []*entry // in the order of their latest failure, oldest first
}

type entry struct {
	Failure
	key  string
	refs []string // the latest ones
}

// Add keeps a failure, and replaces an earlier one with the same key, whose count it continues. The caller sets neither First nor
// Count. If Ref is "", it gets one. Texts are clipped.
func (l *Log) Add(key string, f Failure, input []byte) {
	if l == nil {
		return
	}
	f.Error = logging.Clip(f.Error, logging.MaxValue)
	f.Traceback = logging.Clip(f.Traceback, logging.MaxValue)
	f.InputSize, f.Input = len(input), slices.Clone(input[:min(len(input), logging.MaxValue)])
	if f.Ref == "" {
		f.Ref = fmt.Sprintf("%04x", rand.Uint32N(1<<16))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.take(key)
	if e == nil {
		e = &entry{key: strings.Clone(key)}
		e.First = f.Last
	}
	f.First, f.Count = e.First, e.Count+1
	e.Failure = f
	if len(e.refs) == maxRefs {
		e.refs = slices.Delete(e.refs, 0, 1)
	}
	e.refs = append(e.refs, f.Ref)
	if len(l.kept) == maxFailures {
		l.kept = slices.Delete(l.kept, 0, 1)
	}
	l.kept = append(l.kept, e)
}

// Count counts another failure with the same key as one that is kept. It is a no-op for any other.
func (l *Log) Count(key string, now time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.take(key); e != nil {
		e.Count++
		e.Last = now
		l.kept = append(l.kept, e)
	}
}

// take removes the entry with a key, and returns nil if there is none. mu must be held.
func (l *Log) take(key string) *entry {
	for i, e := range slices.Backward(l.kept) {
		if e.key == key {
			l.kept = slices.Delete(l.kept, i, i+1)
			return e
		}
	}
	return nil
}

// List returns all that is kept, the latest first.
func (l *Log) List() []Failure {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Failure, len(l.kept))
	for i, e := range l.kept {
		all[len(all)-1-i] = e.Failure
	}
	return all
}

// Find returns the failure with this reference, which may be an earlier one than its Ref.
func (l *Log) Find(ref string) (f Failure, found bool) {
	if l == nil {
		return f, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range slices.Backward(l.kept) {
		if slices.Contains(e.refs, ref) {
			return e.Failure, true
		}
	}
	return f, false
}

// SplitPlace splits "scripts/chat.lua:12" into file and line; line is 0 if the place has none.
func SplitPlace(place string) (file string, line int) {
	at := strings.LastIndexByte(place, ':')
	line, err := strconv.Atoi(place[at+1:])
	if at < 0 || err != nil || line < 1 {
		return place, 0
	}
	return place[:at], line
}

// Around returns the lines of a text around one of them, clipped. There are none if the text does not have that line.
func Around(text []byte, line int) []Line {
	var lines []Line
	number := 0
	for content := range bytes.Lines(text) {
		number++
		if number > line+around {
			break
		}
		if number >= line-around {
			shown := logging.Clip(strings.TrimRight(string(content[:min(len(content), 2*maxLine)]), "\r\n"), maxLine)
			lines = append(lines, Line{number, shown})
		}
	}
	if line < 1 || number < line {
		return nil
	}
	return lines
}
