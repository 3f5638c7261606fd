// Package spec owns the specs of scripts: it runs Lua files that act as the clients of an application and check what they
// receive, and has their Lua API and their report. It must not know sockets or the command line. Each example gets its own
// server from package harness. The spec runs in another Lua VM than the application; values pass between them as JSON.
//
// Nothing here depends on the speed of the machine. Random values of scripts, such as UUIDs, stay random.
package spec

import (
	"cmp"
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

// suffix is the end of the names of spec files.
const suffix = "_spec.lua"

// defaultTimeout is how long an example, or a before_each or after_each function, may run.
const defaultTimeout = 10 * time.Second

// Options are the options of Run.
type Options struct {
	Config config.Config
	// Scripts are the modules of the binary.
	Scripts fs.FS
	// Path is the directory that is searched for specs, or one file. Optional: "" means the directory of the scripts.
	Path string
	// Timeout is how long an example, or a before_each or after_each function, may run. 0 means 10 s.
	Timeout time.Duration
}

// Report is the result of the specs.
type Report struct {
	Passed   int
	Failures []Failure
	Pending  []Pending
}

// Pending is an example that it.pending names.
type Pending struct{ Place, Name string } // as in Failure

// Failure is a failed example, or a file that does not load.
type Failure struct {
	// Place is file and line: "scripts/giveaway/giveaway_spec.lua:12".
	Place string
	// Name is the name of the example after those of its suites, or "" for a file.
	Name string
	// Text is the error. Lines after the first are indented; those after a | were printed or logged by the example.
	Text string
}

// String returns place, name and text.
func (f Failure) String() string {
	if f.Name == "" {
		return f.Place + ": " + f.Text
	}
	return f.Place + ": " + f.Name + ": " + f.Text
}

// String returns the pending examples, the failures and a summary: "12 passed, 1 failed", or "12 passed, 1 failed, 3 pending".
func (r Report) String() string {
	var w strings.Builder
	for _, p := range r.Pending {
		fmt.Fprintf(&w, "%s: pending: %s\n", p.Place, p.Name)
	}
	for _, f := range r.Failures {
		fmt.Fprintln(&w, f)
	}
	fmt.Fprintf(&w, "%d passed, %d failed", r.Passed, len(r.Failures))
	if len(r.Pending) > 0 {
		fmt.Fprintf(&w, ", %d pending", len(r.Pending))
	}
	return w.String() + "\n"
}

// Run runs the specs, one after the other. Failures of specs are in the report; the error is that of finding and reading the files,
// or of ctx.
func Run(ctx context.Context, o Options) (Report, error) {
	o.Path = cmp.Or(o.Path, o.Config.Lua.Path)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
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

// find returns the spec files at or below a path, sorted.
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

// shown returns the path of a file in failures: relative, and beginning with the directory of the specs.
func shown(dir, name string) string {
	within, err := filepath.Rel(dir, name)
	if err != nil || within == "." {
		return filepath.ToSlash(name)
	}
	base := filepath.Base(dir)
	if full, err := filepath.Abs(dir); err == nil {
		base = filepath.Base(full)
	}
	return path.Join(base, filepath.ToSlash(within))
}
