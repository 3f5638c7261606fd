package persist

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A file of its own keeps the connections through a restart: servers that do not know it still read the state file.

// connectionsPath returns the path of the file beside the state file.
func (s *Saver) connectionsPath() string { return s.file.path + ".connections" }

// SaveConnections keeps what write writes for the next server. Only the server's user can read its file.
func (s *Saver) SaveConnections(write func(w io.Writer)) error {
	path := s.connectionsPath()
	if err := replaceFile(path, 0o600, func(w *bufio.Writer) { write(w) }); err != nil {
		return fmt.Errorf("persist: saving %s: %w", path, err)
	}
	return nil
}

// TakeConnections returns the text that the server before has kept, and removes its file. It is nil if there is none.
func (s *Saver) TakeConnections() ([]byte, error) {
	if s.file == nil {
		return nil, nil
	}
	path := s.connectionsPath()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = removeFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("persist: reading %s: %w", path, err)
	}
	return text, nil
}
