package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
	"perigee/engine"
	"perigee/engine/auth"
	"perigee/engine/config"
	"perigee/engine/manager"
)

func (p *program) start() *cli.Command {
	return &cli.Command{
		Name:        "start",
		Usage:       "serve until SIGTERM or SIGINT, and reload scripts and settings at each SIGHUP",
		Description: "Every setting is a line of server.toml, a variable of the environment or a flag; the later wins.",
		Flags: append(settingFlags(""), &cli.BoolFlag{
			Name: "watch", Aliases: []string{"w"}, Usage: "reload whenever a script or the settings file is saved",
		}, &cli.BoolFlag{
			Name: "open", Aliases: []string{"o"}, Usage: "open the page in a browser: $BROWSER, or that of the system",
		}),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			hangups, endHangups := hangups() // from before the settings are read
			defer endHangups()
			settings, err := p.load(c)
			if err != nil {
				return err
			}
			readSettings := func() (config.Config, error) { return p.load(c) }
			return p.serve(ctx, service.Options{
				Settings: settings, ReadSettings: readSettings, Hangups: hangups, Watch: c.Bool("watch"), Open: c.Bool("open"),
			})
		}),
	}
}

// stuck ends a server that a script holds for good: only a new process helps. What every goroutine was at goes to
// standard error, if anybody reads it.
func (p *program) stuck(held time.Duration) {
	var dump bytes.Buffer
	fmt.Fprintf(&dump, "perigee: a script has held the server for %s and cannot be stopped; the goroutines:\n\n", held)
	_ = pprof.Lookup("goroutine").WriteTo(&dump, 2) // into memory
	p.stderr.Close(dump.Bytes(), flushTimeout)
	p.exit(exitStuck)
}

// overdue ends a server that does not end by itself. Where its goroutines are goes to standard error, those at the same place
// together: there may be one for each client.
func (p *program) overdue(held []string) {
	var dump bytes.Buffer
	fmt.Fprintf(&dump, "perigee: the server does not end within stop.timeout, held by %s; the goroutines:\n\n", strings.Join(held, ", "))
	_ = pprof.Lookup("goroutine").WriteTo(&dump, 1) // into memory
	p.stderr.Close(dump.Bytes(), flushTimeout)
	p.exit(exitFailed)
}

// logger writes to standard error: text for a person, JSON for a program. level is set as the settings say.
func (p *program) logger(c config.Config, level *slog.LevelVar) *slog.Logger {
	if err := level.UnmarshalText([]byte(c.Server.LogLevel)); err != nil {
		level.Set(slog.LevelInfo) // config has checked it
	}
	to := func(w io.Writer) *slog.Logger {
		options := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
		if p.textLog(c) {
			return slog.New(slog.NewTextHandler(w, options))
		}
		return slog.New(slog.NewJSONHandler(w, options))
	}
	p.stderr.Notice(func(dropped int) []byte {
		var line bytes.Buffer
		to(&line).Error("perigee: log lines dropped, since nobody reads them fast enough", "lines", dropped)
		return line.Bytes()
	})
	log := to(p.stderr)
	for _, warning := range c.Warnings {
		log.Warn("perigee: settings", "problem", warning)
	}
	return log
}

// textLog reports whether the log is text, for people; otherwise it is JSON, for programs.
func (p *program) textLog(c config.Config) bool {
	return c.Server.LogFormat == "text" || c.Server.LogFormat == "" && p.terminal
}

// readable writes durations in JSON as they are in text, with their unit; else they would be numbers of nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// announcement says what is served where, and who may send what.
func announcement(c config.Config, status engine.Status) string {
	var w strings.Builder
	fmt.Fprintf(&w, "perigee %s is running, generation %d\n\n", version(), status.Routes.Generation)
	if status.HasPage {
		fmt.Fprintf(&w, "page\t%s\n", status.Page)
	}
	fmt.Fprintf(&w, "websocket\t%s\n", status.Socket)
	fmt.Fprintf(&w, "health\t%shealthz, %sreadyz\n", status.Page, status.Page)
	fmt.Fprintf(&w, "metrics\t%smetrics\n", status.Page)
	fmt.Fprintf(&w, "scripts\t%s, manager %s\n", folder(c), c.Lua.Manager)
	count := countProtections(status.Routes)
	fmt.Fprintf(&w, "messages\t%d: %d for everybody, %d for the client concerned, %d for admins\n\n",
		len(status.Routes.Messages), count[auth.None], count[auth.Client], count[auth.Admin])
	w.WriteString(report.Messages(status.Routes))
	return w.String()
}

func countProtections(routes manager.Routes) map[auth.Protection]int {
	count := map[auth.Protection]int{}
	for _, m := range routes.Messages {
		count[m.Protection]++
	}
	return count
}

// folder says where scripts are looked for.
func folder(c config.Config) string {
	if _, err := os.Stat(c.Lua.Path); err != nil {
		return "those of perigee itself"
	}
	return c.Lua.Path
}

// print writes to standard output, tabs aligned; at once, so that no line of the log comes in between.
func (p *program) print(text string) error {
	_, err := p.stdout.Write(align(text))
	return err
}

// align makes columns of what tabs divide.
func align(text string) []byte {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(w, text) // into memory
	_ = w.Flush()
	return aligned.Bytes()
}

// version is that of the module, as the build has recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
