package persist

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Part is something beside server.state that is kept through an orderly restart. Each has a file of its own beside the state file:
// servers that do not know it still read the state.
type Part string

// The parts. Each is the extension of its file.
const (
	Connections Part = "connections"
	Topics      Part = "topics"
)

// partPath returns the path of the file of a part.
func (s *Saver) partPath(p Part) string { return s.file.path + "." + string(p) }

// SavePart keeps what write writes for the next server. Only the server's user can read its file.
func (s *Saver) SavePart(p Part, write func(w io.Writer)) error {
	path := s.partPath(p)
	if err := replaceFile(path, 0o600, func(w *bufio.Writer) { write(w) }); err != nil {
		return fmt.Errorf("persist: saving %s: %w", path, err)
	}
	return nil
}

// ReadPart returns what the previous server has kept. It is nil if there is nothing.
func (s *Saver) ReadPart(p Part) ([]byte, error) {
	if s.file == nil {
		return nil, nil
	}
	path := s.partPath(p)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("persist: reading %s: %w", path, err)
	}
	return text, nil
}

// RemovePart removes what the previous server has kept: it is out of date once the server runs.
func (s *Saver) RemovePart(p Part) error {
	if s.file == nil {
		return nil
	}
	path := s.partPath(p)
	if err := removeFile(path); err != nil {
		return fmt.Errorf("persist: removing %s: %w", path, err)
	}
	return nil
}
