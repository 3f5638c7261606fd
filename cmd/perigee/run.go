package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/logging"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	exitStuck  = 70 // EX_SOFTWARE: a supervisor starts it again
	exitConfig = 78 // EX_CONFIG of sysexits.h: a supervisor need not try again
)

// flushTimeout is how long the process waits at its end for the reader of its output.
const flushTimeout = time.Second

// program is what the subcommands share.
type program struct {
	environ  []string
	stdout   io.Writer
	stderr   *logging.Writer // nobody waits for who reads it, or does not
	terminal bool            // standard error is one
	exit     func(code int)  // ends the process at once
}

// variable returns what the environment has under a name; "" where it has nothing.
func (p *program) variable(name string) (value string) {
	for _, line := range p.environ {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			value = v
		}
	}
	return value
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// run runs the command line and returns the exit code. Both writers may be used at the same time.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	p := &program{environ: environ, stdout: stdout, stderr: logging.New(stderr), terminal: isTerminal(stderr), exit: os.Exit}
	var writing sync.WaitGroup
	writing.Go(p.stderr.Run)
	said, code := outcome(p.root().Run(ctx, args))
	if p.stderr.Close([]byte(said), flushTimeout) {
		writing.Wait()
	}
	return code
}

// outcome returns what there is to say of how a command ended, and its exit code.
func outcome(err error) (said string, code int) {
	if err == nil {
		return "", 0
	}
	said, code = errorLines(err), exitFailed
	if _, ok := errors.AsType[usageError](err); ok {
		said += "Try --help, for perigee or for one of its commands.\n"
		code = exitUsage
	} else if errors.Is(err, engine.ErrDefaultKey) {
		code = exitConfig
	}
	return said, code
}

// errorLines formats an error for standard error: joined errors are a line each.
func errorLines(err error) string {
	return "perigee: " + strings.ReplaceAll(err.Error(), "\n", "\nperigee: ") + "\n"
}

func (p *program) root() *cli.Command {
	return &cli.Command{
		Name:           "perigee",
		Usage:          "a realtime WebSocket server whose applications are written in Lua",
		Writer:         p.stdout,
		ErrWriter:      p.stderr,
		HideVersion:    true, // the flag below prints what the command does
		Flags:          []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version", Local: true}},
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run says what went wrong, and how the program ends
		OnUsageError:   onUsageError,
		Commands: []*cli.Command{
			p.start(), p.reload(), p.stop(), p.status(), p.push(), p.queue(), p.init(), p.check(), p.routes(), p.test(), p.types(), p.docs(), p.version(),
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Bool("version") {
				return p.printVersion()
			}
			if unknown := c.Args().First(); unknown != "" {
				return noCommand(c, unknown)
			}
			return cli.ShowRootCommandHelp(c)
		},
	}
}

// showSubcommands is the action of a command that only groups others.
func showSubcommands(_ context.Context, c *cli.Command) error {
	if unknown := c.Args().First(); unknown != "" {
		return noCommand(c, unknown)
	}
	return cli.ShowSubcommandHelp(c)
}

// noCommand names the command that may be meant where c has none of a name.
func noCommand(c *cli.Command, name string) error {
	var known []string
	for _, command := range c.Commands {
		known = append(known, command.Names()...)
	}
	err := fmt.Errorf("there is no command %q", name)
	if c.Root() != c {
		err = fmt.Errorf("%s: %w", c.Name, err)
	}
	if meant := config.Nearest(name, known); meant != "" {
		err = fmt.Errorf("%w; did you mean %s %s?", err, c.FullName(), meant)
	}
	return usageError{err}
}

// onUsageError names the flag that may be meant where there is none of a name.
func onUsageError(_ context.Context, c *cli.Command, err error, _ bool) error {
	name, undefined := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !undefined {
		return usageError{unnumbered(err)}
	}
	var known []string
	for _, flag := range c.Flags {
		known = append(known, flag.Names()...)
	}
	name = strings.TrimPrefix(name, "-")
	err = fmt.Errorf("%s: there is no flag --%s", c.Name, name)
	if meant := config.Nearest(name, known); meant != "" {
		err = fmt.Errorf("%w; did you mean --%s?", err, meant)
	}
	return usageError{err}
}

// unnumbered says in words that the value of a flag is no number; the library has it as text only.
func unnumbered(err error) error {
	var name, value string
	if !strings.Contains(err.Error(), "strconv.") {
		return err
	}
	if n, _ := fmt.Sscanf(err.Error(), "invalid value %q for flag -%s", &value, &name); n < 2 {
		return err
	}
	return fmt.Errorf("--%s: %q is not a whole number from 0 on", strings.TrimSuffix(name, ":"), value)
}

// noArguments is atMost no argument.
func noArguments(action cli.ActionFunc) cli.ActionFunc { return atMost(0, action) }

// atMost refuses the arguments that a command would silently ignore.
func atMost(most int, action cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		if c.Args().Len() > most {
			return usageError{fmt.Errorf("%s: unexpected argument %q", c.Name, c.Args().Get(most))}
		}
		return action(ctx, c)
	}
}

// short are the flags that have a name of one letter, as the server that Perigee replaces has them; by setting.
func short(setting string) []string {
	switch setting {
	case "server.address":
		return []string{"A"}
	case "server.port":
		return []string{"P"}
	case "server.max_connections":
		return []string{"M", "max"}
	case "server.key":
		return []string{"K"}
	case "queue.name":
		return []string{"Q", "queue"}
	case "queue.driver":
		return []string{"C", "connector"}
	}
	return nil
}

// Flags that the help of a command shows which has little use for others.
const (
	serverFlags = "server.port server.control" // for one that asks the running server
	jobFlags    = "server.port server.control queue.driver queue.address queue.name"
)

// settingFlags are a flag for the file and one for each setting. The help shows those of the settings that shown names, or
// all where it names none.
func settingFlags(shown string) []cli.Flag {
	flags := []cli.Flag{&cli.StringFlag{
		Name: "config", Aliases: []string{"c"}, Usage: "the settings file", DefaultText: defaultFile + ", where it exists",
	}}
	for _, key := range config.Keys() {
		section, _, _ := strings.Cut(key.Name, ".")
		flags = append(flags, &cli.StringFlag{
			Name:        key.Flag,
			Aliases:     short(key.Name),
			Usage:       key.Usage,
			DefaultText: key.Default,
			Category:    section,
			Hidden:      shown != "" && !slices.Contains(strings.Fields(shown), key.Name),
		})
	}
	return flags
}

const defaultFile = "server.toml"

// load reads the settings: file, environment, flags.
func (p *program) load(c *cli.Command) (config.Config, error) {
	source := config.Source{Path: defaultFile, Env: p.environ, Flags: map[string]string{}}
	if c.IsSet("config") {
		source.Path, source.Explicit = c.String("config"), true
	}
	for _, key := range config.Keys() {
		if c.IsSet(key.Flag) {
			source.Flags[key.Name] = c.String(key.Flag)
		}
	}
	settings, err := config.Load(source)
	if err != nil && len(source.Flags) > 0 {
		source.Flags = nil
		if _, others := config.Load(source); others == nil {
			return settings, usageError{err} // nothing is wrong but the flags
		}
	}
	return settings, err
}
