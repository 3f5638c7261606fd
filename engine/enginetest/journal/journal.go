// Package journal keeps logs that tests read while they are written. Only tests import it.
package journal

import (
	"bytes"
	"sync"
)

// Log keeps what is written to it; the zero value is empty. Any goroutine may use it.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// String returns what has been logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
