package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/BurntSushi/toml"
)

// maxFile bounds the settings file, in bytes: what is larger is some other file, and the TOML reader takes time and memory
// that grow with the square of it where tables are nested without end.
const maxFile = 256 << 10

// errNoFile is the error of a pipe, a folder or a device where the settings should be.
var errNoFile = errors.New("not a regular file")

// file is a settings file that is TOML. Keys are paths: {"server", "port"}.
type file struct {
	name   string
	meta   toml.MetaData
	values map[string]any  // by section
	seen   map[string]bool // by key: taken already
	// below has the undecoded values of tables, by the name of the table ("" is the file), to find lines with.
	below map[string]map[string]toml.Primitive
}

// readFile reads the file and takes over its settings.
func (l *loader) readFile(path string, explicit bool) {
	if path == "" {
		return
	}
	text, err := readText(path)
	if !explicit && errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		l.problems.add(place{layer: fromFile, label: path}, err)
		return
	}
	l.config.Path = path
	l.takeFile(path, text)
}

// takeFile takes over the settings in the text of a file.
func (l *loader) takeFile(path, text string) {
	f, at, err := parseFile(path, text)
	if err != nil {
		l.problems.add(at, err)
		return
	}
	l.config.Blank = len(f.meta.Keys()) == 0
	for _, key := range f.meta.Keys() {
		if len(l.problems) >= maxProblems {
			l.problems.add(place{layer: fromFile, line: math.MaxInt, label: path}, errTooMany)
			return
		}
		l.takeKey(f, key)
	}
}

func readText(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // not even a pipe is waited for
	if err != nil {
		return "", bare(err)
	}
	defer func() { _ = f.Close() }() // nothing was written that could be lost
	info, err := f.Stat()
	if err != nil {
		return "", bare(err)
	}
	if !info.Mode().IsRegular() {
		return "", errNoFile
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", bare(err)
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("larger than %s, so this is no settings file", Size(maxFile))
	}
	return string(text), nil
}

// bare takes the path off an error of a file: the problem's place names it already.
func bare(err error) error {
	if onPath, ok := errors.AsType[*fs.PathError](err); ok {
		return onPath.Err
	}
	return err
}

// parseFile reads TOML; where that fails, at is the line and column.
func parseFile(name, text string) (f *file, at place, err error) {
	text = strings.TrimPrefix(text, "\ufeff") // some editors write a byte order mark
	f = &file{name: name, values: map[string]any{}, seen: map[string]bool{}, below: map[string]map[string]toml.Primitive{}}
	var root map[string]toml.Primitive
	f.meta, err = toml.Decode(text, &root)
	f.below[""] = root
	if syntax, ok := errors.AsType[toml.ParseError](err); ok {
		at, err = syntaxProblem(name, text, syntax)
		return nil, at, err
	}
	if err != nil {
		return nil, place{layer: fromFile, label: name}, err
	}
	for section, raw := range root {
		var value any
		if err := f.meta.PrimitiveDecode(raw, &value); err != nil {
			return nil, place{layer: fromFile, label: name}, err
		}
		f.values[section] = value
	}
	return f, place{}, nil
}

// mayBeSecret tells whether the value of a key must not be shown: the admin key, and all that is the application's own or goes
// to its programs.
func mayBeSecret(key string) bool {
	return strings.HasSuffix(key, "key") || strings.HasPrefix(key, "app.") || strings.HasPrefix(key, "processes.")
}

// syntaxProblem says what is no TOML, and where: line and column.
func syntaxProblem(name, text string, syntax toml.ParseError) (place, error) {
	line := syntax.Position.Line
	before := text[:min(max(syntax.Position.Start, 0), len(text))]
	column := len(before) - strings.LastIndexByte(before, '\n')
	at := place{layer: fromFile, line: line, label: fmt.Sprintf("%s:%d:%d", name, line, column)}
	if key := syntax.LastKey; mayBeSecret(key) { // of which the reader's own message could show a part
		return at, fmt.Errorf("the value of %s is no text in quotes nor another value of TOML, or it stands there twice", oneLine(key))
	}
	return at, errors.New(oneLine(strings.TrimSuffix(syntax.Message, ".")) + syntaxRemedy(text, syntax))
}

// oneLine makes a text that is or quotes something of the file fit to be shown: one line of printable characters, at most
// 200 of them.
func oneLine(text string) string {
	left := 200
	return strings.Map(func(r rune) rune {
		left--
		switch {
		case left < 0:
			return -1
		case unicode.IsPrint(r):
			return r
		default:
			return '?'
		}
	}, text)
}

// takeKey takes over one key of the file, in the order of the file.
func (l *loader) takeKey(f *file, key toml.Key) {
	section := key[:1]
	_, isTable := f.values[key[0]].(map[string]any)
	switch {
	case key[0] == "processes":
		l.takeProcess(f, key)
	case key[0] != "app" && !l.hasSection(key[0]):
		if f.first(section) {
			l.problems.add(f.place(section, key), l.unknown(key[0], isTable))
		}
	case !isTable:
		if f.first(section) {
			l.problems.add(f.place(section, key), fmt.Errorf("%s is not a section; write [%s]", show(f.values[key[0]]), key[0]))
		}
	case key[0] == "app":
		if f.first(section) {
			l.config.App = flatten(f.values["app"]).(map[string]any)
		}
	case len(key) > 1:
		l.takeSetting(f, key)
	}
}

// takeSetting takes over a key within a known section.
func (l *loader) takeSetting(f *file, key toml.Key) {
	value := f.values[key[0]].(map[string]any)[key[1]] // takeKey has looked
	path := key[:2]
	s, known := l.setting(key[0], key[1])
	if known && s.isMap() {
		l.takeEntry(f, key, value)
		return
	}
	if !f.first(path) {
		return
	}
	at := f.place(path, key)
	if !known {
		l.problems.add(at, l.unknownIn(key[0], key[1]))
		return
	}
	parsed, err := s.parseTOML(value)
	l.set(s, at, parsed, err)
}

// takeEntry takes over an entry of [queue.map].
func (l *loader) takeEntry(f *file, key toml.Key, value any) {
	entries, isTable := value.(map[string]any)
	if !isTable {
		if f.first(key[:2]) {
			l.problems.add(f.place(key[:2], key), fmt.Errorf("%s is not a table; write [%s]", show(value), key[:2]))
		}
		return
	}
	if len(key) < 3 || !f.first(key[:3]) {
		return
	}
	command, isText := entries[key[2]].(string)
	if !isText || command == "" {
		l.problems.add(f.place(key[:3], key), fmt.Errorf("%s is not the name of a command", show(entries[key[2]])))
		return
	}
	l.config.Queue.Map[key[2]] = command
}

// first tells whether the key is asked for the first time: a table in dots or a list of tables comes once for each part.
func (f *file) first(key toml.Key) bool {
	name := key.String()
	if f.seen[name] {
		return false
	}
	f.seen[name] = true
	return true
}

// place returns where a key stands. A key that the file never spells out by itself (server, in server.port = 1) is where
// the key below it stands, through which it was found.
func (f *file) place(key, below toml.Key) place {
	line := f.line(key)
	if line == 0 {
		line = f.line(below)
	}
	name := oneLine(key.String())
	at := place{layer: fromFile, line: line, label: fmt.Sprintf("%s:%d: %s", f.name, line, name)}
	if line == 0 {
		at.label = fmt.Sprintf("%s: %s", f.name, name)
	}
	return at
}

// line finds the line of a key, 0 where it has none. The TOML reader tells lines only with an error: so we make one.
func (f *file) line(key toml.Key) int {
	raw := f.below[""][key[0]]
	for i, part := range key[1:] {
		table := key[:i+1].String()
		if f.below[table] == nil {
			var below map[string]toml.Primitive
			if f.meta.PrimitiveDecode(raw, &below) != nil {
				return 0
			}
			f.below[table] = below
		}
		raw = f.below[table][part]
	}
	here, _ := errors.AsType[toml.ParseError](f.meta.PrimitiveDecode(raw, &locator{}))
	return here.Position.Line
}

// locator refuses every value, so that the reader says where it stands.
type locator struct{}

var _ toml.Unmarshaler = (*locator)(nil)

var errHere = errors.New("here")

func (*locator) UnmarshalTOML(any) error { return errHere }

// flatten makes lists of tables ordinary lists, so that scripts meet one kind of list.
func flatten(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, below := range value {
			value[name] = flatten(below)
		}
	case []any:
		for i, below := range value {
			value[i] = flatten(below)
		}
	case []map[string]any:
		list := make([]any, len(value))
		for i, below := range value {
			list[i] = flatten(below)
		}
		return list
	}
	return value
}
