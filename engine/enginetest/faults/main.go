// Command faults measures how the server bears faults. It runs the tests that cause them, at full scale, and writes their figures
// into the table of README.md beside it. Arguments choose faults; without any it runs all, which takes half an hour.
//
//	go run ./engine/enginetest/faults F3 F16
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"perigee/engine/testkit"
)

// document is the file with the table, relative to the root of the repository.
const document = "engine/enginetest/faults/README.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, progress io.Writer) error {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	machine := flags.String("machine", fmt.Sprintf("%d CPUs", runtime.NumCPU()), "the `machine`, for the table")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if _, err := os.Stat(document); err != nil {
		return fmt.Errorf("run it in the root of the repository: %w", err)
	}
	chosen, err := choose(faults(), flags.Args())
	if err != nil {
		return err
	}
	results, err := runTests(ctx, chosen, progress)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(document) // after the tests: other rows may have been measured meanwhile
	if err != nil {
		return err
	}
	rows := measurements(string(text))
	failed := false
	for _, f := range chosen {
		figures, ok := f.summary(results)
		failed = failed || !ok
		rows[f.Number] = measurement{figures, time.Now().Format(time.DateOnly) + ", " + *machine}
	}
	if err := os.WriteFile(document, []byte(render(faults(), rows)), 0o644); err != nil {
		return err
	}
	if failed {
		return errors.New("some tests failed: see the table")
	}
	return nil
}

// choose returns the faults with the given numbers; all if there are none.
func choose(all []fault, numbers []string) ([]fault, error) {
	if len(numbers) == 0 {
		return all, nil
	}
	var chosen []fault
	for _, number := range numbers {
		i := slices.IndexFunc(all, func(f fault) bool { return f.Number == number })
		if i < 0 {
			return nil, fmt.Errorf("there is no fault %q", number)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// result is the outcome of a test.
type result struct {
	outcome string   // pass, fail or skip; "" if it did not end
	figures []string // of testkit.Measured
}

// runTests runs the tests of the faults, one package after the other, and returns their results by directory and name.
func runTests(ctx context.Context, chosen []fault, progress io.Writer) (map[string]result, error) {
	tests := map[string][]string{}
	for _, f := range chosen {
		for directory, names := range f.Tests {
			tests[directory] = append(tests[directory], names...)
		}
	}
	results := map[string]result{}
	for _, directory := range slices.Sorted(maps.Keys(tests)) {
		names := slices.Compact(slices.Sorted(slices.Values(tests[directory])))
		_, _ = fmt.Fprintf(progress, "%s %s\n", directory, strings.Join(names, " "))
		command := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout=30m", "-parallel=1",
			"-run=^("+strings.Join(names, "|")+")$", "./"+directory)
		command.Env = append(os.Environ(), testkit.FullScaleEnv+"=full", "CI=true")
		command.Stderr = progress
		output, err := command.Output()
		if _, failed := errors.AsType[*exec.ExitError](err); err != nil && (!failed || ctx.Err() != nil) {
			return nil, err
		}
		for name, r := range read(output, progress) {
			results[directory+" "+name] = r
		}
	}
	return results, nil
}

// read returns the results in the output of go test -json, and writes what failed tests printed.
func read(output []byte, progress io.Writer) map[string]result {
	results, printed := map[string]result{}, map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, len(output)+1)
	for lines.Scan() {
		var event struct{ Action, Test, Key, Value, Output string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue // go build prints text
		}
		name, _, _ := strings.Cut(event.Test, "/")
		r := results[name]
		switch {
		case event.Action == "attr" && event.Key == testkit.MeasuredAttribute:
			r.figures = append(r.figures, event.Value)
		case event.Action == "output" || event.Action == "build-output":
			printed[name] += event.Output
		case event.Test == name && slices.Contains([]string{"pass", "fail", "skip"}, event.Action):
			r.outcome = event.Action
			if event.Action == "fail" {
				_, _ = fmt.Fprint(progress, printed[name])
			}
		}
		results[name] = r
	}
	return results
}
