package persist

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

// version is the file format's version.
const version = 1

// File is a state file: JSON texts by name, replaced all at once. Its methods must not be called concurrently.
type File struct {
	// Jobs is a JSON text stored beside the state, or nil if there is none. Read sets it, Save writes it.
	Jobs []byte

	path string
}

// Open returns the file at a path. The file need not exist yet, but its directory must. A symbolic link is followed. It is an
// error if the path is not a regular file, since reading a pipe or a device may never end, or if a Save could not write there.
// Open neither reads nor writes the file.
func Open(path string) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	f := &File{path: path}
	directory := filepath.Dir(path)
	info, err := os.Stat(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingDirectory(directory)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", directory)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err := f.checkWritable(); err != nil {
		return nil, fmt.Errorf("cannot write to %s: %w", path, err)
	}
	return f, nil
}

// missingDirectory is the error of a path whose directory does not exist. It wraps fs.ErrNotExist.
type missingDirectory string

func (m missingDirectory) Error() string { return "there is no directory " + string(m) }
func (missingDirectory) Unwrap() error   { return fs.ErrNotExist }

// checkWritable returns an error if write could not create its temporary file. It leaves no file behind and does not change an
// existing temporary file, which another process may be writing.
func (f *File) checkWritable() (err error) {
	// O_NONBLOCK: opening a pipe must not block.
	file, err := os.OpenFile(f.temporary(), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*.tmp"); err == nil {
			defer func() { err = errors.Join(err, removeFile(file.Name())) }()
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

// temporary returns the path to which Save writes before it renames.
func (f *File) temporary() string { return temporaryOf(f.path) }

func temporaryOf(path string) string { return path + ".tmp" }

type content struct {
	Version int                        `json:"version"`
	State   map[string]json.RawMessage `json:"state"`
	Jobs    json.RawMessage            `json:"jobs,omitempty"`
}

// Read returns the saved JSON texts by name, or an empty map if the file does not exist. If the file is damaged, or not a state
// file, Read returns an error and leaves it as it is.
func (f *File) Read() (map[string][]byte, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string][]byte{}, nil
	}
	if err != nil {
		return nil, f.wrap("reading", err)
	}
	saved, jobs, err := parse(text)
	if err != nil {
		return nil, f.wrap("reading", fmt.Errorf("%w; repair it, or move it away to start with no state", err))
	}
	f.Jobs = jobs
	return saved, nil
}

// parse decodes the text of a file.
func parse(text []byte) (saved map[string][]byte, jobs []byte, err error) {
	if len(text) == 0 {
		return nil, nil, errors.New("the file is empty")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var c content
	if err := decoder.Decode(&c); err != nil {
		return nil, nil, describe(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("more text after the end, at byte %d", decoder.InputOffset())
	}
	if c.Version != version {
		return nil, nil, fmt.Errorf(`"version" is %d; this program knows only %d`, c.Version, version)
	}
	if c.State == nil {
		return nil, nil, errors.New(`"state" is missing`)
	}
	saved = make(map[string][]byte, len(c.State))
	for name, text := range c.State {
		saved[name] = text
	}
	return saved, c.Jobs, nil
}

// describe turns an error of the JSON decoder into one that says what is wrong with the file.
func describe(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the file is truncated")
	case errors.As(err, &syntax):
		return fmt.Errorf("damaged at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("not a state file: unexpected %s at byte %d", kind.Value, kind.Offset)
	default:
		return fmt.Errorf("not a state file: %w", err)
	}
}

// Save replaces the content of the file by texts, each one JSON value. The replacement is atomic: at any moment, and after an
// error, the file has either its old content or all of the new one. When Save returns nil, the new content is on the disk.
func (f *File) Save(texts map[string][]byte) error {
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(f.path); err == nil {
		mode = info.Mode().Perm()
	}
	err := replaceFile(f.path, mode, func(w *bufio.Writer) { compose(w, texts, f.Jobs) })
	if err != nil {
		return f.wrap("saving", err)
	}
	return nil
}

// replaceFile replaces the content of a file by what write writes, whose errors are those of w's Flush. It is atomic and durable, as
// Save says.
func replaceFile(path string, mode fs.FileMode, write func(w *bufio.Writer)) error {
	temporary := temporaryOf(path)
	err := writeFile(temporary, mode, write)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, removeFile(temporary))
	}
	return syncDirectory(filepath.Dir(path))
}

// compose writes the text of a file, one line for each name, sorted. Write errors are those of w's Flush.
func compose(w *bufio.Writer, texts map[string][]byte, jobs []byte) {
	_, _ = fmt.Fprintf(w, `{"version":%d,"state":{`, version)
	for i, name := range slices.Sorted(maps.Keys(texts)) {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		quoted, _ := json.Marshal(name) // a string has no error
		_, _ = fmt.Fprintf(w, "\n%s:", quoted)
		_, _ = w.Write(texts[name])
	}
	_, _ = w.WriteString("\n}")
	if len(jobs) > 0 {
		_, _ = fmt.Fprintf(w, ",\n\"jobs\":%s", jobs)
	}
	_, _ = w.WriteString("}\n")
}

// writeFile writes a file with that mode and syncs it to the disk. What it holds is written piece by piece: it may take half of the
// memory.
func writeFile(path string, mode fs.FileMode, write func(w *bufio.Writer)) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Chmod(mode); err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	write(w)
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Sync()
}

// removeFile removes a file, if it exists.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// wrap adds the operation and the path of the file to an error.
func (f *File) wrap(doing string, err error) error {
	return fmt.Errorf("persist: %s %s: %w", doing, f.path, err)
}
