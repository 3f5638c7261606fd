// Package spec runs the specs of scripts: files of Lua that play the clients of an application and say what they should
// hear. It owns what such a file can say, and the report. Each example gets a server of its own, a stage. The spec itself
// runs on another Lua machine than the application; values cross between them as JSON.
//
// Nothing here depends on how fast the machine is. What scripts leave to chance, uuids and winners, stays so.
package spec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"perigee/engine/config"
)

// suffix is how the names of files end that hold specs.
const suffix = "_spec.lua"

// defaultTimeout is how long an example, or one of the functions around it, may run.
const defaultTimeout = 10 * time.Second

// Options say what is run.
type Options struct {
	Config config.Config
	// Scripts are the modules of the binary.
	Scripts fs.FS
	// Path is the folder below which specs are looked for, or one file; "" is the scripts folder of the settings.
	Path string
	// Timeout is how long an example, or one of the functions around it, may run. 0 means 10 s.
	Timeout time.Duration
}

// Report is how the specs went.
type Report struct {
	Passed   int
	Failures []Failure
}

// Failure is an example that is not as it should be, or a file that does not load.
type Failure struct {
	// Place is file and line: "scripts/giveaway/giveaway_spec.lua:12".
	Place string
	// Name is that of the example with those of what it stands in; "" for a file.
	Name string
	// Text says what is wrong. Lines after the first are indented; those behind a | were printed or logged meanwhile.
	Text string
}

// String returns place, name and text.
func (f Failure) String() string {
	if f.Name == "" {
		return f.Place + ": " + f.Text
	}
	return f.Place + ": " + f.Name + ": " + f.Text
}

// String returns the failures and a summary: "12 passed, 1 failed".
func (r Report) String() string {
	var w strings.Builder
	for _, f := range r.Failures {
		fmt.Fprintln(&w, f)
	}
	fmt.Fprintf(&w, "%d passed, %d failed\n", r.Passed, len(r.Failures))
	return w.String()
}

// Run runs the specs, one after the other. The error says why they could not be run, or that ctx has ended; what fails in
// a spec stands in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Path == "" {
		o.Path = o.Config.Lua.Path
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	var report Report
	files, err := find(o.Path)
	if err != nil {
		return report, err
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			return report, fmt.Errorf("spec: %w", err)
		}
		newFile(o, shown(o.Path, name)).run(ctx, source, &report)
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
	}
	return report, nil
}

// find returns the files of specs at or below a path, in the order of their names.
func find(at string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(at, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && (name == at || strings.HasSuffix(name, suffix)) {
			files = append(files, name)
		}
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(files) == 0:
		return nil, fmt.Errorf("spec: no directory or file %s here; name the one with the specs, or run this command in the directory of server.toml", at)
	case err != nil:
		return nil, fmt.Errorf("spec: %w", err)
	case len(files) == 0:
		return nil, fmt.Errorf("spec: there is no *%s in %s", suffix, at)
	}
	return files, nil
}

// shown is how failures name a file: from the folder of the specs on.
func shown(folder, name string) string {
	within, err := filepath.Rel(folder, name)
	if err != nil || within == "." {
		return filepath.ToSlash(name)
	}
	base := filepath.Base(folder)
	if full, err := filepath.Abs(folder); err == nil {
		base = filepath.Base(full)
	}
	return path.Join(base, filepath.ToSlash(within))
}
