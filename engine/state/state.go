// Package state owns the file that keeps the application's state through restarts. It puts texts under names into it, all
// at once or not at all, and reads them back. It does not know what the texts say, beyond that they are JSON, nor when
// to save.
package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// version is what the file says of its own form.
const version = 1

// File is a state file. Its methods are called by one goroutine at a time.
type File struct {
	// Jobs is a JSON text that the file has beside the state, nil where there is none: Read sets it, Save writes it.
	Jobs []byte

	path string
}

// Open returns the file at a path, which need not exist yet; its folder must. Where the path is a symbolic link, what it
// points to is the file. Anything but a regular file is an error: to read a pipe or a device may never end. So is a place
// that no Save could write to. The file is neither read nor written.
func Open(path string) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	f := &File{path: path}
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	if err != nil {
		return nil, f.fault("opening", err)
	}
	if !info.IsDir() {
		return nil, f.fault("opening", fmt.Errorf("%s is not a folder", folder))
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, f.fault("opening", errors.New("it is not a regular file"))
	}
	if err := f.try(); err != nil {
		return nil, f.fault("opening", fmt.Errorf("it could not be saved: %w", err))
	}
	return f, nil
}

// try finds out whether write could make its file. It leaves the one that stands there alone, which another process may be
// about to save, and nothing behind.
func (f *File) try() (err error) {
	// Not even a pipe is waited for.
	file, err := os.OpenFile(f.temporary(), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*.tmp"); err == nil {
			defer func() { err = errors.Join(err, remove(file.Name())) }()
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.temporary())
	}
	return err
}

// temporary is where a save is written before it takes the place of the file.
func (f *File) temporary() string { return f.path + ".tmp" }

// Path is where the file is.
func (f *File) Path() string { return f.path }

// form is how the file looks.
type form struct {
	Version int                        `json:"version"`
	State   map[string]json.RawMessage `json:"state"`
	Jobs    json.RawMessage            `json:"jobs,omitempty"`
}

// Read returns what was saved, JSON texts by name; nothing where there is no file yet. A file that is damaged or not one of
// these is an error, and stays as it is.
func (f *File) Read() (map[string][]byte, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string][]byte{}, nil
	}
	if err != nil {
		return nil, f.fault("reading", err)
	}
	saved, jobs, err := parse(text)
	if err != nil {
		return nil, f.fault("reading", fmt.Errorf("%w; mend it, or move it away to start with no state", err))
	}
	f.Jobs = jobs
	return saved, nil
}

// parse takes the text of a file apart.
func parse(text []byte) (saved map[string][]byte, jobs []byte, err error) {
	if len(text) == 0 {
		return nil, nil, errors.New("the file is empty")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var content form
	if err := decoder.Decode(&content); err != nil {
		return nil, nil, complaint(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("there is more after the end, at byte %d", decoder.InputOffset())
	}
	if content.Version != version {
		return nil, nil, fmt.Errorf(`"version" is %d; this program knows only %d`, content.Version, version)
	}
	if content.State == nil {
		return nil, nil, errors.New(`"state" is missing`)
	}
	saved = make(map[string][]byte, len(content.State))
	for name, text := range content.State {
		saved[name] = text
	}
	return saved, content.Jobs, nil
}

// complaint says what is wrong with a file in words about the file.
func complaint(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the file is cut off: it ends in the middle")
	case errors.As(err, &syntax):
		return fmt.Errorf("damaged at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("not a state file: at byte %d stands a %s", kind.Offset, kind.Value)
	default:
		return fmt.Errorf("not a state file: %w", err)
	}
}

// Save puts texts, each one JSON value, in place of what the file holds. At any moment, and after an error, the file is
// either what it was or all of what it is to be; when Save returns nil that is on the disk, and a crash cannot lose it.
func (f *File) Save(texts map[string][]byte) error {
	temporary := f.temporary()
	if err := f.write(temporary, texts); err != nil {
		return errors.Join(f.fault("saving", err), remove(temporary))
	}
	if err := os.Rename(temporary, f.path); err != nil {
		return errors.Join(f.fault("saving", err), remove(temporary))
	}
	if err := syncFolder(filepath.Dir(f.path)); err != nil {
		return f.fault("saving", err)
	}
	return nil
}

// compose writes the text of a file, a line for each name in the order of the alphabet. What w could not take is told by its
// Flush.
func compose(w *bufio.Writer, texts map[string][]byte, jobs []byte) {
	_, _ = fmt.Fprintf(w, `{"version":%d,"state":{`, version)
	for i, name := range slices.Sorted(maps.Keys(texts)) {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		quoted, _ := json.Marshal(name) // of a string, without error
		_, _ = fmt.Fprintf(w, "\n%s:", quoted)
		_, _ = w.Write(texts[name])
	}
	_, _ = w.WriteString("\n}")
	if len(jobs) > 0 {
		_, _ = fmt.Fprintf(w, ",\n\"jobs\":%s", jobs)
	}
	_, _ = w.WriteString("}\n")
}

// write makes a file of those texts and waits until the disk has it. It is readable to whom the file it will replace is,
// at first to its owner only.
func (f *File) write(path string, texts map[string][]byte) (err error) {
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(f.path); err == nil {
		mode = info.Mode().Perm()
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Chmod(mode); err != nil {
		return err
	}
	// Not put together before: they may be half of the memory.
	w := bufio.NewWriter(file)
	compose(w, texts, f.Jobs)
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Sync()
}

// remove takes away what a failed Save has left behind.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolder waits until the disk has the names in a folder.
func syncFolder(path string) (err error) {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	return folder.Sync()
}

func (f *File) fault(doing string, err error) error {
	return fmt.Errorf("state: %s %s: %w", doing, f.path, err)
}
