// Package loader finds and runs the modules that scripts require.
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

// errNoFile is the error of a pipe, a folder or a device where a script should be.
var errNoFile = errors.New("not a regular file")

// Loader has the modules of one program: those of the server itself, then files of the scripts folder, then those of the binary.
type Loader struct {
	folder  *os.Root // nil where there is none; keeps symbolic links from leading out
	shown   string
	builtin fs.FS
	sources *Sources
	modules map[string]lua.LValue // by name, once loaded
	loading []loading             // modules that are being loaded, outermost first
}

// loading is a module that is being loaded.
type loading struct {
	name string
	by   *api.Call // whose turn loads it; another may come while it waits
}

// New opens the scripts folder. A folder that does not exist is no error: the binary has scripts of its own. What stands in
// sources is taken from there, and what is read goes there.
func New(folder, shown string, builtin fs.FS, sources *Sources) (*Loader, error) {
	l := &Loader{shown: shown, builtin: builtin, sources: sources, modules: map[string]lua.LValue{}}
	if folder == "" {
		return l, nil
	}
	root, err := os.OpenRoot(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("script: opening the scripts folder: %w", err)
	}
	if err == nil {
		l.folder = root
	}
	return l, nil
}

// Close gives the folder back.
func (l *Loader) Close() {
	if l.folder != nil {
		_ = l.folder.Close() // opened for reading only
	}
}

// Set gives scripts a module that no file holds.
func (l *Loader) Set(name string, module lua.LValue) { l.modules[name] = module }

// Has tells whether a module of that name is there already.
func (l *Loader) Has(name string) bool {
	_, ok := l.modules[name]
	return ok
}

// Find returns an error that names where a module was looked for, if there is none of that name.
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

// Top returns the names of the modules that stand in the scripts folder itself, and not in one below it.
func (l *Loader) Top() (names []string) {
	if l.folder == nil {
		return nil
	}
	for _, pattern := range []string{"*.lua", "*/init.lua"} {
		files, _ := fs.Glob(l.folder.FS(), pattern) // its only error is that of a bad pattern
		for _, file := range files {
			name, _, _ := strings.Cut(strings.TrimSuffix(file, ".lua"), "/")
			names = append(names, name)
		}
	}
	return names
}

// Require returns a module, loading it the first time. What is wrong is raised.
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

// compiled returns the code of a module. What is wrong is raised.
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
		// The place of the mistake is in the module, not where it was required.
		L.Error(lua.LString(err.Error()), 0)
	}
	l.sources.modules[name] = read
	return read.proto
}

// checkLoading raises what is wrong with a module that is being loaded already.
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

// read returns the text of a module.
func (l *Loader) read(name string) (found source, text []byte, err error) {
	file := strings.ReplaceAll(name, ".", "/")
	candidates := []string{file + ".lua", file + "/init.lua"}
	if l.folder != nil {
		for _, candidate := range candidates {
			text, err := readFile(l.folder, candidate)
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
			return source{shown: path.Join("perigee", candidate)}, text, nil
		}
	}
	folder := l.shown
	if l.folder == nil {
		folder += ", which does not exist,"
	} else {
		folder = l.folder.Name()
	}
	return source{}, nil, fmt.Errorf("module %q not found: no %s in the scripts folder %s or in perigee itself",
		name, strings.Join(candidates, " or "), folder)
}

// readFile returns the text of a file, or as much of it as the compiler needs to refuse it as too large. It waits for nobody:
// a pipe, whose writer may never come, is an error.
func readFile(folder *os.Root, name string) (text []byte, err error) {
	file, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errNoFile}
	}
	return io.ReadAll(io.LimitReader(file, compile.MaxSource+1))
}

// checkModuleName admits letters, digits, "_", "-" and dots between them.
func checkModuleName(name string) error {
	for part := range strings.SplitSeq(name, ".") {
		bad := func(r rune) bool {
			return !bytes.ContainsRune([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"), r)
		}
		if part == "" || strings.ContainsFunc(part, bad) {
			return fmt.Errorf("%q is not a module name: write letters, digits, _ and -, with dots for folders, as in \"giveaway.messages\"", name)
		}
	}
	return nil
}
