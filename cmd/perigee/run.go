package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/notify"
	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/logging"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	exitHung   = 70 // EX_SOFTWARE: a supervisor should restart it
	exitConfig = 78 // EX_CONFIG of sysexits.h: a restart does not help
)

// exitCode describes an exit code.
type exitCode struct {
	code    int
	meaning string
}

func exitCodes() []exitCode {
	return []exitCode{
		{0, "Done."},
		{exitFailed, "Failed. For start also: the port is taken."},
		{exitUsage, "Wrong usage."},
		{exitHung, "A script blocked the server for good. Standard error has what every goroutine was doing. A supervisor should start the server again."},
		{exitConfig, "Refused to start with a key that everybody knows. Starting again does not help."},
	}
}

// flushTimeout is how long the process waits at its end for the reader of its output.
const flushTimeout = time.Second

// program is the state that the subcommands share.
type program struct {
	args     []string // of the process
	environ  []string
	stdout   io.Writer
	stderr   *logging.Writer // never blocks
	terminal bool            // standard error is a terminal
	journal  bool            // standard error is the journal of systemd
	exit     func(code int)  // ends the process at once
	keys     []config.Key    // of all settings; set by root
}

// variable returns the value of an environment variable, or "" if it is not set.
func (p *program) variable(name string) (value string) {
	for _, line := range p.environ {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			value = v
		}
	}
	return value
}

// usageError is the error of a wrong command line.
type usageError struct {
	error
	command string // whose help to read
}

// wrongUsage returns the error of a wrong use of c.
func wrongUsage(c *cli.Command, err error) error {
	if subcommand, ok := strings.CutPrefix(c.FullName(), c.Root().Name+" "); ok {
		err = fmt.Errorf("%s: %w", subcommand, err)
	}
	return usageError{err, c.FullName()}
}

// run runs the command line and returns the exit code. Both writers must be safe for use at the same time.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	p := &program{
		args: args, environ: environ, stdout: stdout, stderr: logging.New(stderr), terminal: isTerminal(stderr),
		journal: stderr == os.Stderr && notify.StderrIsJournal(), exit: os.Exit,
	}
	end := startWriter(p.stderr)
	message, code := result(p.root().Run(ctx, p.expandHelpAll()))
	end(p.asError(message))
	return code
}

// result returns the message and the exit code of a command that has returned err.
func result(err error) (message string, code int) {
	if err == nil {
		return "", 0
	}
	message, code = errorLines(err), exitFailed
	if usage, ok := errors.AsType[usageError](err); ok {
		message += "See " + usage.command + " --help.\n"
		code = exitUsage
	} else if errors.Is(err, engine.ErrDefaultKey) {
		code = exitConfig
	}
	return message, code
}

// errorLines formats an error for standard error: joined errors are a line each.
func errorLines(err error) string {
	return "perigee: " + strings.ReplaceAll(err.Error(), "\n", "\nperigee: ") + "\n"
}

// asError returns the text of an error for standard error. The journal takes each line as an entry with a priority of its own.
func (p *program) asError(text string) []byte {
	if !p.journal {
		return []byte(text)
	}
	var all []byte
	for line := range strings.Lines(text) {
		all = append(all, notify.Prefix(slog.LevelError)+line...)
	}
	return all
}

func (p *program) root() *cli.Command {
	p.keys = config.Keys() // once, since it takes time and most commands list them
	root := &cli.Command{
		Name:           "perigee",
		Usage:          "a realtime WebSocket server with applications in Lua",
		Description:    examples("perigee init app && cd app && perigee start --watch --open", "perigee start --help"),
		Writer:         p.stdout,
		ErrWriter:      p.stderr,
		HideVersion:    true, // the flag below prints the same as the command
		Flags:          []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version", Local: true}},
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run prints the error and returns the exit code
		Commands: []*cli.Command{
			p.start(), p.reload(), p.stop(), p.status(), p.health(), p.console(), p.connections(), p.send(), p.close(), p.trace(), p.push(), p.queue(), p.init(), p.check(), p.routes(), p.test(), p.types(), p.docs(), p.version(),
		},
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: p.configureCompletion,
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Bool("version") {
				return p.printVersion()
			}
			if unknown := c.Args().First(); unknown != "" {
				return unknownCommand(c, unknown)
			}
			return cli.ShowRootCommandHelp(c)
		},
	}
	_ = root.Walk(func(c *cli.Command) error {
		c.OnUsageError = p.explainUsage
		if len(c.Commands) == 0 && c.ArgValidator == nil {
			c.ArgValidator = checkArguments
		}
		return nil
	})
	return root
}

// configureCompletion shows the library's command among the others, and makes it like them.
func (p *program) configureCompletion(c *cli.Command) {
	c.Hidden = false
	c.Usage = "print the completion script of a shell: bash, zsh, fish or powershell"
	c.Description = examples("source <(perigee completion bash)", "source <(perigee completion zsh)",
		"perigee completion fish >~/.config/fish/completions/perigee.fish", "perigee completion powershell >perigee.ps1")
	c.Action = showSubcommands
	c.OnUsageError = p.explainUsage
	for _, shell := range c.Commands {
		if shell.Name == "pwsh" {
			shell.Name, shell.Aliases = "powershell", []string{shell.Name}
		}
		shell.Usage = "print the script for " + shell.Name
		shell.ArgValidator, shell.OnUsageError = checkArguments, p.explainUsage
	}
}

// showSubcommands is the action of a command that only groups others.
func showSubcommands(_ context.Context, c *cli.Command) error {
	if unknown := c.Args().First(); unknown != "" {
		return unknownCommand(c, unknown)
	}
	return cli.ShowSubcommandHelp(c)
}

// examples formats command lines for the description of a command.
func examples(lines ...string) string { return "Examples:\n   " + strings.Join(lines, "\n   ") }

// unknownCommand returns the error of an unknown command, with a suggestion.
func unknownCommand(c *cli.Command, name string) error {
	var known []string
	for _, command := range c.Commands {
		known = append(known, command.Names()...)
	}
	err := fmt.Errorf("there is no command %q", name)
	if similar := config.Nearest(name, known); similar != "" {
		err = fmt.Errorf("%w; did you mean %s %s?", err, c.FullName(), similar)
	}
	return wrongUsage(c, err)
}

// explainUsage replaces the library's error of a wrong flag, which has no type, by one of flagError.
func (p *program) explainUsage(_ context.Context, c *cli.Command, err error, _ bool) error {
	args := p.args[slices.Index(p.args, c.Name)+1:]
	return wrongUsage(c, cmp.Or(flagError(c.Flags, args), err))
}

// flagError returns the error of the first flag in args that is unknown, with a suggestion, or that has no value. It returns nil
// if there is none.
func flagError(flags []cli.Flag, args []string) error {
	byName := map[string]cli.Flag{}
	for _, flag := range flags {
		for _, name := range flag.Names() {
			byName[name] = flag
		}
	}
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		name, value, hasValue := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !strings.HasPrefix(args[i], "-") || name == "" {
			continue
		}
		flag, known := byName[name]
		if !known {
			err := fmt.Errorf("there is no flag %s", dashed(name))
			if similar := similarFlag(name, byName); similar != "" {
				err = fmt.Errorf("%w; did you mean %s?", err, dashed(similar))
			}
			return err
		}
		if _, isBool := flag.(*cli.BoolFlag); isBool {
			if _, err := strconv.ParseBool(value); hasValue && err != nil {
				return fmt.Errorf("%s takes no value", dashed(name))
			}
			continue
		}
		if hasValue {
			continue
		}
		if i++; i == len(args) {
			return fmt.Errorf("%s needs a value", dashed(name))
		}
	}
	return nil
}

// dashed returns the name of a flag as it is typed: -P, --port.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// similarFlag returns the flag that name probably means, or "". For one letter, that is the same letter in the other case.
func similarFlag(name string, known map[string]cli.Flag) string {
	if len(name) > 1 {
		return config.Nearest(name, slices.Sorted(maps.Keys(known)))
	}
	for _, other := range []string{strings.ToUpper(name), strings.ToLower(name)} {
		if known[other] != nil {
			return other
		}
	}
	return ""
}

// checkArguments rejects arguments beyond those in ArgsUsage, which the library would ignore.
func checkArguments(_ context.Context, c *cli.Command) error {
	if most := len(strings.Fields(c.ArgsUsage)); c.Args().Len() > most {
		return wrongUsage(c, fmt.Errorf("unexpected argument %q", c.Args().Get(most)))
	}
	return nil
}

// wholeNumber parses the value of a flag.
func wholeNumber(c *cli.Command, flag string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(c.String(flag), 10, 64)
	if err != nil || n > most {
		return 0, wrongUsage(c, fmt.Errorf("--%s: %q is not a whole number from 0 to %d", flag, c.String(flag), most))
	}
	return n, nil
}

// helpAll is the flag that shows the help of a command with all settings.
const helpAll = "--help-all"

// expandHelpAll returns the arguments of the process with --help in place of --help-all. settingFlags then shows all settings.
func (p *program) expandHelpAll() []string {
	args := slices.Clone(p.args)
	if i := slices.Index(args, helpAll); i >= 0 {
		args[i] = "--help"
	}
	return args
}

// shortNames returns the short names of a setting's flag.
func shortNames(setting string) []string {
	return map[string][]string{
		"server.address":         {"A"},
		"server.port":            {"P"},
		"server.max_connections": {"M", "max"},
		"server.key":             {"K"},
		"queue.name":             {"Q", "queue"},
		"queue.driver":           {"C", "connector"},
	}[setting]
}

// Settings whose flags the help of a command shows; --help-all shows all.
const (
	startSettings = "server.address server.port server.max_connections server.key server.log_level lua.manager queue.driver queue.name state.file"
	callSettings  = "server.port server.control" // for commands that call the running server
	jobSettings   = "server.port server.control queue.driver queue.address queue.dsn queue.name queue.prefix"
)

// settingFlags returns a flag for the settings file and one for each setting. The help shows those that are named in shown. A
// command that the command line does not name has none, since making those of all commands would take milliseconds of each
// start; the command docs describes them all.
func (p *program) settingFlags(command, shown string) []cli.Flag {
	if !slices.Contains(p.args, command) && !slices.Contains(p.args, "docs") {
		return nil
	}
	all := slices.Contains(p.args, helpAll)
	flags := []cli.Flag{
		&cli.StringFlag{
			Name: "config", Aliases: []string{"c"}, Usage: "read settings from `FILE`", DefaultText: defaultFile + " if it exists",
		},
		&cli.StringFlag{
			Name: "env-file", Usage: "read the variables SERVER_* from `FILE`, such as Laravel's .env; those of the environment override them",
		},
		&cli.BoolFlag{Name: strings.TrimPrefix(helpAll, "--"), Usage: "show this help with the flags of all settings", Hidden: all},
	}
	for _, key := range p.keys {
		section, _, _ := strings.Cut(key.Name, ".")
		flags = append(flags, &cli.StringFlag{
			Name:        key.Flag,
			Aliases:     shortNames(key.Name),
			Usage:       key.Usage,
			DefaultText: key.Default,
			Category:    section,
			Hidden:      !all && !slices.Contains(strings.Fields(shown), key.Name),
		})
	}
	return flags
}

const defaultFile = "server.toml"

// load loads the settings from the file, the environment and the flags of a command.
func (p *program) load(c *cli.Command) (config.Config, error) {
	source := config.Source{Path: defaultFile, EnvFile: c.String("env-file"), Env: p.environ, Flags: map[string]string{}}
	if c.IsSet("config") {
		source.Path, source.Explicit = c.String("config"), true
	}
	for _, key := range p.keys {
		if c.IsSet(key.Flag) {
			source.Flags[key.Name] = c.String(key.Flag)
		}
	}
	settings, err := config.Load(source)
	if err != nil && len(source.Flags) > 0 {
		source.Flags = nil
		if _, others := config.Load(source); others == nil {
			return settings, usageError{err, c.FullName()} // only the flags are wrong
		}
	}
	return settings, err
}
