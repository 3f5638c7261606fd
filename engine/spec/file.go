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

// file is a file of specs, with its own Lua VM.
type file struct {
	// Set by newFile, never changed.
	options Options
	shown   string
	vm      *vm.VM
	clients *lua.LTable // metatable of clients

	modules  map[string]lua.LValue // by name, once required
	manager  string                // the module of the application
	suite    *suite                // the suite whose function runs; nil once the file is loaded
	examples []*example

	log     *harness.Log    // of the file, then of the running example
	server  *harness.Server // of the running example; nil between examples
	loading *loading        // of the running example
}

// suite is a call of describe; the outermost suite is the file.
type suite struct {
	outer         *suite
	name          string
	fakes         []func(s *harness.Server) error // made before the scripts of each example load
	before, after []lua.LValue
}

// example is a call of it, or of it.pending.
type example struct {
	suite *suite
	name  string
	place string
	body  lua.LValue // nil if the example is pending
}

// loading is the loading of the scripts of an example, at its first call that needs them.
type loading struct {
	done  bool
	err   error
	faked bool // the spec has a fake that the scripts may meet while they load
}

func newFile(o Options, shown string) *file {
	f := &file{
		options: o,
		shown:   shown,
		modules: map[string]lua.LValue{},
		manager: o.Config.Lua.Manager,
		suite:   &suite{},
	}
	f.log = f.newLog()
	f.vm = vm.New(vm.Options{
		TurnTimeout: o.Timeout, Memory: uint64(o.Config.Lua.Memory), Now: time.Now,
		Print: func(text string) { f.log.Print(text) },
	})
	f.open()
	return f
}

// newLog returns a log with the level of the settings.
func (f *file) newLog() *harness.Log {
	return harness.NewLog(f.options.Config.Server.LogLevel)
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
		if e.body == nil {
			report.Pending = append(report.Pending, Pending{Place: e.place, Name: e.fullName()})
			continue
		}
		switch err := f.try(ctx, e); {
		case err == nil:
			report.Passed++
		case errors.Is(err, errAllFail):
			report.Failures = append(report.Failures, f.failure("", e.place, err))
			return
		default:
			report.Failures = append(report.Failures, f.failure(e.fullName(), e.place, err))
		}
	}
}

// load runs the file, which registers its examples.
func (f *file) load(source []byte) error {
	proto, err := compile.Compile(f.shown, source)
	if err != nil {
		return err
	}
	_, err = f.vm.Call(nil, 0, f.vm.State().NewFunctionFromProto(proto))
	f.suite = nil
	return err
}

// fullName returns the name of an example after those of its suites.
func (e *example) fullName() string {
	name := e.name
	for s := e.suite; s != nil; s = s.outer {
		name = strings.TrimSpace(s.name + " " + name)
	}
	return name
}

// errLoad is wrapped by the errors of loading the scripts. errAllFail is wrapped by those that every example of the file would have.
var (
	errLoad    = errors.New("the scripts do not load")
	errAllFail = fmt.Errorf("%w, so no example of this file runs", errLoad)
)

// try runs an example on a new server, with its before_each and after_each functions. Errors of the scripts that it has not fetched
// with spec.errors fail it, too.
func (f *file) try(ctx context.Context, e *example) error {
	f.log = f.newLog()
	s, err := harness.New(ctx, harness.Options{Config: f.options.Config, Scripts: f.options.Scripts, Manager: f.manager}, f.log)
	if err != nil {
		return fmt.Errorf("%w: %w", errAllFail, err)
	}
	f.server, f.loading = s, &loading{}
	defer func() {
		f.server = nil
		s.End()
	}()
	err = f.before(e.suite)
	if err == nil {
		err = f.call(e.body)
	}
	if err == nil && !f.loading.done {
		err = f.loadScripts() // the example may be about the boot alone
	}
	for suite := e.suite; suite != nil; suite = suite.outer {
		for _, fn := range suite.after {
			err = errors.Join(err, f.call(fn))
		}
	}
	failures := f.log.TakeErrors()
	if err != nil && f.loading.err != nil && !f.loading.faked && len(failures) == 0 {
		return fmt.Errorf("%w: %w", errAllFail, f.loading.err)
	}
	for _, failure := range failures {
		err = errors.Join(err, fmt.Errorf("the scripts failed: %s", errorText(failure)))
	}
	return err
}

// loadScripts loads the scripts of the running example. Further calls return the same error.
func (f *file) loadScripts() error {
	if !f.loading.done {
		f.loading.done = true
		f.loading.err = f.server.Load("")
	}
	if f.loading.err != nil {
		return fmt.Errorf("%w: %w", errLoad, f.loading.err)
	}
	return nil
}

// before makes the fakes that a suite declares and runs its before_each functions, those of the outermost suite first.
func (f *file) before(s *suite) error {
	if s == nil {
		return nil
	}
	if err := f.before(s.outer); err != nil {
		return err
	}
	for _, add := range s.fakes {
		f.loading.faked = true
		if err := add(f.server); err != nil {
			return err
		}
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

// failure returns the failure of an error, with its place in this file. If the error does not come from this file, place is used:
// that of the example.
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
	for _, line := range f.log.Lines() {
		text += "\n    | " + strings.ReplaceAll(line, "\n", "\n    | ")
	}
	return Failure{Place: place, Name: name, Text: text}
}
