package spec

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/compile"
	"perigee/engine/script/vm"
	"perigee/engine/spec/harness"
)

// file is one file of specs, on a machine of its own.
type file struct {
	// Set by newFile, never changed.
	options Options
	shown   string
	vm      *vm.VM
	clients *lua.LTable // the metatable of clients

	modules  map[string]lua.LValue // by name, once required
	manager  string                // the module of the application
	within   *suite                // what is being described; nil once the file is loaded
	examples []*example

	journal *harness.Journal // of the file, then of the example that runs
	server  *harness.Server  // of the example that runs; nil between examples
}

// suite is a describe; the outermost one is the file.
type suite struct {
	outer         *suite
	name          string
	before, after []lua.LValue
}

// example is an it.
type example struct {
	suite *suite
	name  string
	place string
	body  lua.LValue
}

func newFile(o Options, shown string) *file {
	f := &file{
		options: o,
		shown:   shown,
		modules: map[string]lua.LValue{},
		manager: o.Config.Lua.Manager,
		within:  &suite{},
	}
	f.journal = f.newJournal()
	f.vm = vm.New(vm.Options{
		TurnTimeout: o.Timeout, Memory: uint64(o.Config.Lua.Memory), Now: time.Now,
		Print: func(text string) { f.journal.Say(text) },
	})
	f.open()
	return f
}

// newJournal returns one that keeps what the settings would log.
func (f *file) newJournal() *harness.Journal {
	return harness.NewJournal(f.options.Config.Server.LogLevel)
}

// run runs all examples of the file.
func (f *file) run(ctx context.Context, source []byte, report *Report) {
	watched, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var watcher sync.WaitGroup
	watcher.Go(func() { f.vm.Watch(watched) })
	defer func() {
		cancel()
		watcher.Wait()
		f.vm.Close()
	}()
	if err := f.load(source); err != nil {
		report.Failures = append(report.Failures, f.failure("", f.shown, err))
		return
	}
	for _, e := range f.examples {
		if ctx.Err() != nil {
			return
		}
		err := f.try(ctx, e)
		if errors.Is(err, errLoad) { // which would fail the others too
			report.Failures = append(report.Failures, f.failure("", e.place, err))
			return
		}
		if err != nil {
			report.Failures = append(report.Failures, f.failure(e.fullName(), e.place, err))
			continue
		}
		report.Passed++
	}
}

// load runs the file, which gathers its examples.
func (f *file) load(source []byte) error {
	proto, err := compile.Compile(f.shown, source)
	if err != nil {
		return err
	}
	_, err = f.vm.Call(nil, 0, f.vm.State().NewFunctionFromProto(proto))
	f.within = nil
	return err
}

// fullName is the name of an example after those of what it stands in.
func (e *example) fullName() string {
	name := e.name
	for s := e.suite; s != nil; s = s.outer {
		name = strings.TrimSpace(s.name + " " + name)
	}
	return name
}

// errLoad is why no example of a file can run.
var errLoad = errors.New("the scripts do not load")

// try runs an example on a new server, with what stands before and after it. What goes wrong in the scripts meanwhile,
// and no one has asked for with spec.errors, fails it too.
func (f *file) try(ctx context.Context, e *example) error {
	f.journal = f.newJournal()
	s, err := harness.Start(ctx, harness.Options{Config: f.options.Config, Scripts: f.options.Scripts, Manager: f.manager}, f.journal)
	if err != nil {
		return fmt.Errorf("%w, so that nothing of this file runs: %w", errLoad, err)
	}
	f.server = s
	defer func() {
		f.server = nil
		s.End()
	}()
	err = f.before(e.suite)
	if err == nil {
		err = f.call(e.body)
	}
	for suite := e.suite; suite != nil; suite = suite.outer {
		for _, fn := range suite.after {
			err = errors.Join(err, f.call(fn))
		}
	}
	for _, fault := range f.journal.Take() {
		err = errors.Join(err, fmt.Errorf("the scripts failed: %s", worded(fault)))
	}
	return err
}

// before runs what stands before an example, the outermost first.
func (f *file) before(s *suite) error {
	if s == nil {
		return nil
	}
	if err := f.before(s.outer); err != nil {
		return err
	}
	for _, fn := range s.before {
		if err := f.call(fn); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) call(fn lua.LValue) error {
	_, err := f.vm.Call(nil, 0, fn)
	return err
}

// failure says where in this file an error came from; place is where the example stands, for one that came from
// elsewhere.
func (f *file) failure(name, place string, err error) Failure {
	here := regexp.MustCompile(regexp.QuoteMeta(f.shown) + `:\d+(:\d+)?`)
	text := err.Error()
	if found := here.FindStringIndex(text); found != nil && found[0] == 0 {
		place = text[:found[1]]
		text = strings.TrimPrefix(strings.TrimPrefix(text[found[1]:], ":"), " ")
	} else if failure, ok := errors.AsType[*vm.Error](err); ok {
		if found := here.FindString(failure.Traceback); found != "" {
			place = found
		}
	}
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
	for _, line := range f.journal.Lines() {
		text += "\n    | " + strings.ReplaceAll(line, "\n", "\n    | ")
	}
	return Failure{Place: place, Name: name, Text: text}
}
