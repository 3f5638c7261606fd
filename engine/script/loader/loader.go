// Package loader owns the modules that scripts require: it finds, compiles and runs them. It must not know what they register.
package loader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/compile"
)

// Loader loads the modules of one program: those of the server, then files of the scripts directory, then those of the binary.
type Loader struct {
	dir     *os.Root // keeps symbolic links from leading out; nil if there is no directory
	shown   string
	builtin fs.FS
	sources *Sources
	modules map[string]lua.LValue // by name, once loaded
	loading []loading             // modules that are being loaded, outermost first
}

// loading is a module that is being loaded.
type loading struct {
	name string
	by   *api.Call // the call that loads it; others may run while it waits
}

// New opens the scripts directory, which errors call shown. It may be missing: the binary has scripts, too. Modules that are in
// sources are not read again; those that are read are added.
func New(dir, shown string, builtin fs.FS, sources *Sources) (*Loader, error) {
	l := &Loader{shown: shown, builtin: builtin, sources: sources, modules: map[string]lua.LValue{}}
	if dir == "" {
		return l, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("script: opening the scripts directory: %w", err)
	}
	if err == nil {
		l.dir = root
	}
	return l, nil
}

// builtinPrefix begins the names of modules of the binary in errors.
const builtinPrefix = "perigee/"

// Close closes the directory.
func (l *Loader) Close() {
	if l.dir != nil {
		_ = l.dir.Close() // opened for reading only
	}
}

// Set adds a module of the server, which has no file.
func (l *Loader) Set(name string, module lua.LValue) { l.modules[name] = module }

// Has reports whether a module has been loaded.
func (l *Loader) Has(name string) bool {
	_, ok := l.modules[name]
	return ok
}

// Own reports whether the scripts directory has a module of that name.
func (l *Loader) Own(name string) bool {
	if known, ok := l.sources.modules[name]; ok {
		return known.own
	}
	found, _, err := l.read(name)
	return err == nil && found.own
}

// Find returns an error that lists the searched files if there is no module of that name.
func (l *Loader) Find(name string) error {
	if err := checkModuleName(name); err != nil || l.Has(name) {
		return err
	}
	if _, ok := l.sources.modules[name]; ok {
		return nil
	}
	_, _, err := l.read(name)
	return err
}

// Top returns the names of the modules at the top level of the scripts directory.
func (l *Loader) Top() (names []string) {
	if l.dir == nil {
		return nil
	}
	for _, pattern := range []string{"*.lua", "*/init.lua"} {
		files, _ := fs.Glob(l.dir.FS(), pattern) // its only error is that of a bad pattern
		for _, file := range files {
			name, _, _ := strings.Cut(strings.TrimSuffix(file, ".lua"), "/")
			names = append(names, name)
		}
	}
	return names
}

// Require returns a module. It loads it the first time and raises errors.
func (l *Loader) Require(L *lua.LState, name string) lua.LValue {
	if module, ok := l.modules[name]; ok {
		return module
	}
	if err := checkModuleName(name); err != nil {
		L.RaiseError("%s", err)
	}
	by := api.Caller(L)
	l.checkLoading(L, name, by)
	proto := l.compiled(L, name)
	now := loading{name, by}
	l.loading = append(l.loading, now)
	defer func() {
		l.loading = slices.DeleteFunc(l.loading, func(other loading) bool { return other == now })
	}()
	L.Push(L.NewFunctionFromProto(proto))
	L.Push(lua.LString(name))
	L.Call(1, 1)
	module := L.Get(-1)
	L.Pop(1)
	if module == lua.LNil {
		module = lua.LTrue
	}
	l.modules[name] = module
	return module
}

// compiled returns the compiled code of a module and raises errors.
func (l *Loader) compiled(L *lua.LState, name string) *lua.FunctionProto {
	if known, ok := l.sources.modules[name]; ok {
		return known.proto
	}
	read, text, err := l.read(name)
	if err != nil {
		L.RaiseError("%s", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		L.RaiseError("module %q cannot be read: %s is empty", name, read.shown)
	}
	if read.proto, err = compile.Compile(read.shown, text); err != nil {
		// The message has a place in the module, not in the code that requires it.
		L.Error(lua.LString(err.Error()), 0)
	}
	if read.own {
		read.text = text
	}
	l.sources.modules[name] = read
	return read.proto
}

// checkLoading raises an error if the module is being loaded already.
func (l *Loader) checkLoading(L *lua.LState, name string, by *api.Call) {
	chain := ""
	for _, m := range l.loading {
		if chain != "" && m.by == by {
			chain += " -> " + m.name
		}
		if m.name != name {
			continue
		}
		if m.by != by {
			L.RaiseError("module %q is being loaded by %s, which waits", name, m.by.Name)
		}
		chain = name
	}
	if chain != "" {
		L.RaiseError("module %q requires itself: %s -> %s", name, chain, name)
	}
}

// Text returns the text of the module that has this name in errors, as it was loaded; nil if there is none.
func (l *Loader) Text(shown string) []byte {
	if text := l.sources.text(shown); text != nil {
		return text
	}
	text, err := fs.ReadFile(l.builtin, strings.TrimPrefix(shown, builtinPrefix))
	if err != nil {
		return nil
	}
	return text
}

// read returns the text of a module.
func (l *Loader) read(name string) (found source, text []byte, err error) {
	file := strings.ReplaceAll(name, ".", "/")
	candidates := []string{file + ".lua", file + "/init.lua"}
	if l.dir != nil {
		for _, candidate := range candidates {
			text, err := readFile(l.dir, candidate)
			if err == nil {
				return source{shown: path.Join(l.shown, candidate), own: true}, text, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return source{}, nil, fmt.Errorf("module %q cannot be read: %w", name, err)
			}
		}
	}
	for _, candidate := range candidates {
		if text, err := fs.ReadFile(l.builtin, candidate); err == nil {
			return source{shown: builtinPrefix + candidate}, text, nil
		}
	}
	dir := l.shown
	if l.dir == nil {
		dir += ", which does not exist,"
	} else {
		dir = l.dir.Name()
	}
	return source{}, nil, fmt.Errorf("module %q not found: no %s in the scripts directory %s or in perigee itself",
		name, strings.Join(candidates, " or "), dir)
}

// readFile returns the text of a file, or as much of it as makes the compiler refuse it as too large. A pipe is an error, since
// reading it might block.
func readFile(dir *os.Root, name string) (text []byte, err error) {
	file, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe, directory or device
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	return io.ReadAll(io.LimitReader(file, compile.MaxSource+1))
}

// checkModuleName allows letters, digits, "_" and "-", with dots between them.
func checkModuleName(name string) error {
	for part := range strings.SplitSeq(name, ".") {
		bad := func(r rune) bool {
			return !bytes.ContainsRune([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"), r)
		}
		if part == "" || strings.ContainsFunc(part, bad) {
			return fmt.Errorf("%q is not a module name: use letters, digits, _ and -, and dots for directories, as in \"giveaway.messages\"", name)
		}
	}
	return nil
}
