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

// maxFile is the maximum size of the settings file, in bytes. A larger one is probably some other file, and the time and memory
// of the TOML parser can grow with the square of the size.
const maxFile = 256 << 10

// errNoFile is the error if a file is a pipe, a directory or a device.
var errNoFile = errors.New("not a regular file")

// file is a parsed settings file. Keys are paths: {"server", "port"}.
type file struct {
	name   string
	meta   toml.MetaData
	values map[string]any  // by section
	seen   map[string]bool // by key: already read
	// raw holds the undecoded values of tables, by the name of the table ("" is the file), for finding lines.
	raw map[string]map[string]toml.Primitive
}

// readFile reads the file and stores its settings.
func (l *loader) readFile(path string, explicit bool) {
	if path == "" {
		return
	}
	text, err := fileText(path, maxFile, "a settings file")
	if errors.Is(err, fs.ErrNotExist) {
		target, notLink := os.Readlink(path)
		if notLink == nil {
			err = fmt.Errorf("it is a link to %s: %w", target, fs.ErrNotExist)
		} else if !explicit {
			return
		}
	}
	if err != nil {
		if onPath, ok := errors.AsType[*fs.PathError](err); ok {
			err = onPath.Err // the origin has the path already
		}
		l.errs.add(origin{source: fromFile, label: path}, err)
		return
	}
	l.config.Path = path
	l.readText(path, text)
}

// readText stores the settings in the text of a file.
func (l *loader) readText(path, text string) {
	f, at, err := parseFile(path, text)
	if err != nil {
		l.errs.add(at, err)
		return
	}
	l.file = f
	l.config.Blank = len(f.meta.Keys()) == 0
	for _, key := range f.meta.Keys() {
		if len(l.errs) >= maxErrors {
			l.errs.add(origin{source: fromFile, line: math.MaxInt, label: path}, errTooMany)
			return
		}
		l.readKey(f, key)
	}
}

// fileText returns the text of a regular file of at most so many bytes, which is a file of that kind.
func fileText(path string, most int, kind string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // do not wait for a pipe
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // opened for reading only
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errNoFile
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return "", err
	}
	if len(text) > most {
		return "", fmt.Errorf("larger than %s, so this is not %s", Size(most), kind)
	}
	return string(text), nil
}

// parseFile parses TOML. If that fails, at is where: the line and column of a syntax error.
func parseFile(name, text string) (f *file, at origin, err error) {
	text = strings.TrimPrefix(text, "\ufeff")     // some editors write a byte order mark
	text = strings.ReplaceAll(text, "\r\n", "\n") // also in texts of several lines
	f = &file{name: name, values: map[string]any{}, seen: map[string]bool{}, raw: map[string]map[string]toml.Primitive{}}
	var root map[string]toml.Primitive
	f.meta, err = toml.Decode(text, &root)
	at = origin{source: fromFile, label: name}
	if syntax, ok := errors.AsType[toml.ParseError](err); ok {
		at, err = syntaxError(name, text, syntax)
	}
	if err != nil {
		return nil, at, err
	}
	f.raw[""] = root
	for section, raw := range root {
		var value any
		if err := f.meta.PrimitiveDecode(raw, &value); err != nil {
			return nil, at, err
		}
		f.values[section] = value
	}
	return f, at, nil
}

// mayBeSecret reports whether the value of a key must not be shown: the admin key, queue.dsn, and the tables [app], [keys.NAME] and [processes.NAME].
func mayBeSecret(key string) bool {
	return strings.HasSuffix(key, "key") || strings.HasSuffix(key, "dsn") || strings.HasPrefix(key, "app.") || strings.HasPrefix(key, "processes.") || strings.HasPrefix(key, "keys.")
}

// syntaxError returns the error of a text that is not TOML, with line and column.
func syntaxError(name, text string, syntax toml.ParseError) (origin, error) {
	line := syntax.Position.Line
	before := text[:min(max(syntax.Position.Start, 0), len(text))]
	column := len(before) - strings.LastIndexByte(before, '\n')
	at := origin{source: fromFile, line: line, label: fmt.Sprintf("%s:%d:%d", name, line, column)}
	if key := syntax.LastKey; mayBeSecret(key) { // the parser's message could show a part of the value
		return at, fmt.Errorf("the value of %s is neither a string in quotes nor another value of TOML, or the key is set twice", oneLine(key))
	}
	return at, errors.New(oneLine(strings.TrimSuffix(syntax.Message, ".")) + syntaxRemedy(text, syntax))
}

// oneLine makes a text from the file, or a message that quotes it, safe to show: one line of at most 200 printable characters.
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

// readKey stores the value of one key. It is called in the order of the file.
func (l *loader) readKey(f *file, key toml.Key) {
	section := key[:1]
	_, isTable := f.values[key[0]].(map[string]any)
	switch {
	case key[0] == "processes":
		l.readProcess(f, key)
	case key[0] == "keys":
		l.readProgramKey(f, key)
	case key[0] != "app" && !l.hasSection(key[0]):
		if f.first(section) {
			l.errs.add(f.origin(section, key), l.unknown(key[0], isTable))
		}
	case !isTable:
		if f.first(section) {
			l.errs.add(f.origin(section, key), fmt.Errorf("%s is not a section; write [%s]", show(f.values[key[0]]), key[0]))
		}
	case key[0] == "app":
		if f.first(section) {
			l.config.App = flatten(f.values["app"]).(map[string]any)
		}
	case len(key) > 1:
		l.readSetting(f, key)
	}
}

// readSetting stores a key within a known section.
func (l *loader) readSetting(f *file, key toml.Key) {
	value := f.values[key[0]].(map[string]any)[key[1]] // readKey has checked that
	path := key[:2]
	s, known := l.setting(key[0], key[1])
	if known && s.isMap() {
		l.readMapEntry(f, key, value)
		return
	}
	if !f.first(path) {
		return
	}
	at := f.origin(path, key)
	if !known {
		l.errs.add(at, l.unknownIn(key[0], key[1]))
		return
	}
	if table, isTable := value.(map[string]any); isTable && s.isSecret() {
		l.named[s.Name] = namedSecret{s, at, table}
		return
	}
	parsed, err := s.parseTOML(value)
	l.set(s, at, parsed, err)
}

// readMapEntry stores an entry of [queue.map].
func (l *loader) readMapEntry(f *file, key toml.Key, value any) {
	entries, isTable := value.(map[string]any)
	if !isTable {
		if f.first(key[:2]) {
			l.errs.add(f.origin(key[:2], key), fmt.Errorf("%s is not a table; write [%s]", show(value), key[:2]))
		}
		return
	}
	if len(key) < 3 || !f.first(key[:3]) {
		return
	}
	command, isText := entries[key[2]].(string)
	if !isText || command == "" {
		l.errs.add(f.origin(key[:3], key), fmt.Errorf("%s is not the name of a command", show(entries[key[2]])))
		return
	}
	l.config.Queue.Map[key[2]] = command
}

// first reports whether it is called for this key for the first time: dotted tables and lists of tables occur once for each part.
func (f *file) first(key toml.Key) bool {
	name := key.String()
	if f.seen[name] {
		return false
	}
	f.seen[name] = true
	return true
}

// origin returns where a key is set. A key that the file does not write by itself (server, in server.port = 1) has the line of the
// key below it.
func (f *file) origin(key, below toml.Key) origin {
	line := f.line(key)
	if line == 0 {
		line = f.line(below)
	}
	name := oneLine(key.String())
	at := origin{source: fromFile, line: line, label: fmt.Sprintf("%s:%d: %s", f.name, line, name)}
	if line == 0 {
		at.label = fmt.Sprintf("%s: %s", f.name, name)
	}
	return at
}

// line returns the line of a key, or 0 if it has none. The TOML parser reports lines only in errors, so this provokes one.
func (f *file) line(key toml.Key) int {
	value := f.raw[""][key[0]]
	for i, part := range key[1:] {
		table := key[:i+1].String()
		if f.raw[table] == nil {
			var below map[string]toml.Primitive
			if f.meta.PrimitiveDecode(value, &below) != nil {
				return 0
			}
			f.raw[table] = below
		}
		value = f.raw[table][part]
	}
	here, _ := errors.AsType[toml.ParseError](f.meta.PrimitiveDecode(value, &locator{}))
	return here.Position.Line
}

// locator refuses every value, so that the parser returns an error with the line.
type locator struct{}

var _ toml.Unmarshaler = (*locator)(nil)

var errHere = errors.New("here")

func (*locator) UnmarshalTOML(any) error { return errHere }

// flatten converts lists of tables to ordinary lists, so that scripts see one kind of list.
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
