package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/notify"
	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
	"perigee/engine"
	"perigee/engine/auth"
	"perigee/engine/config"
)

func (p *program) start() *cli.Command {
	return &cli.Command{
		Name:  "start",
		Usage: "start the server, until SIGTERM or SIGINT; SIGHUP reloads scripts and settings",
		Description: "A setting can be set in server.toml, in a file of variables (--env-file), by an environment variable or by a flag. " +
			"Each overrides those before it.\n\n" +
			examples("perigee start --watch --open", "perigee start --config /etc/perigee/server.toml --log-level debug"),
		Flags: append(p.settingFlags("start", startSettings), &cli.BoolFlag{
			Name: "watch", Aliases: []string{"w"}, Usage: "reload whenever a script or the settings file is saved",
		}, &cli.BoolFlag{
			Name: "trace", Usage: "print the messages as they come and go, as perigee trace does",
		}, &cli.BoolFlag{
			Name: "open", Aliases: []string{"o"}, Usage: "open the page in $BROWSER, or in the default browser",
		}),
		Action: func(ctx context.Context, c *cli.Command) error {
			hangups := make(chan os.Signal, 1)     // several during one reload count as one
			signal.Notify(hangups, syscall.SIGHUP) // before the settings are read
			defer signal.Stop(hangups)
			settings, err := p.load(c)
			if err != nil {
				return err
			}
			readSettings := func() (config.Config, error) { return p.load(c) }
			options := service.Options{
				Settings: settings, ReadSettings: readSettings, Hangups: hangups, Watch: c.Bool("watch"), Open: c.Bool("open"),
			}
			return p.serve(ctx, options, c.Bool("trace"))
		},
	}
}

// exitOnHang ends the process, since a script blocks the server and cannot be stopped.
func (p *program) exitOnHang(blocked time.Duration) {
	p.exitWithStacks(exitHung, fmt.Sprintf("a script has blocked the server for %s and cannot be stopped", blocked), 2)
}

// exitOnStopTimeout ends the process, since the server does not end within stop.timeout. Equal stacks are grouped: there may
// be one for each client.
func (p *program) exitOnStopTimeout(running []string) {
	p.exitWithStacks(exitFailed, "the server has not stopped within stop.timeout; still running: "+strings.Join(running, ", "), 1)
}

// exitWithStacks ends the process. It writes the reason and the stacks of all goroutines to standard error, in a form of
// pprof.Profile.WriteTo.
func (p *program) exitWithStacks(code int, reason string, form int) {
	dump := bytes.NewBufferString("perigee: " + reason + "; goroutines:\n\n")
	_ = pprof.Lookup("goroutine").WriteTo(dump, form) // into memory
	p.stderr.Close(p.asError(dump.String()), flushTimeout)
	p.exit(code)
}

// logger returns a logger to standard error, in the format of the settings, and sets level to the one of the settings.
func (p *program) logger(c config.Config, level *slog.LevelVar) *slog.Logger {
	if err := level.UnmarshalText([]byte(c.Server.LogLevel)); err != nil {
		level.Set(slog.LevelInfo) // config has checked it
	}
	format := func(w io.Writer) slog.Handler {
		options := &slog.HandlerOptions{Level: level, ReplaceAttr: formatDuration}
		if p.textLog(c) {
			return slog.NewTextHandler(w, options)
		}
		return slog.NewJSONHandler(w, options)
	}
	to := func(w io.Writer) *slog.Logger {
		if p.journal {
			return slog.New(notify.NewJournalHandler(w, format))
		}
		return slog.New(format(w))
	}
	p.stderr.Notice(func(dropped int) []byte {
		var line bytes.Buffer
		to(&line).Error("perigee: log lines dropped: standard error is not read fast enough", "lines", dropped)
		return line.Bytes()
	})
	log := to(p.stderr)
	for _, warning := range c.Warnings {
		log.Warn("perigee: the settings look like a mistake", "problem", warning)
	}
	return log
}

// textLog reports whether the log is text, for people; otherwise it is JSON, for programs.
func (p *program) textLog(c config.Config) bool {
	return c.Server.LogFormat == "text" || c.Server.LogFormat == "" && p.terminal
}

// formatDuration formats a duration with its unit, as text logs do; in JSON they would be numbers of nanoseconds.
func formatDuration(_ []string, a slog.Attr) slog.Attr {
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

// announcement is printed when the server has started: its addresses and its messages.
func announcement(c config.Config, status engine.Status) string {
	var w strings.Builder
	fmt.Fprintf(&w, "perigee %s is running, generation %d\n\n", build(), status.Routes.Generation)
	if status.HasPage {
		fmt.Fprintf(&w, "page\t%s\n", status.Page)
	}
	fmt.Fprintf(&w, "websocket\t%s\n", status.Socket)
	if status.Console != "" {
		fmt.Fprintf(&w, "console\t%s\n", status.Console)
	}
	fmt.Fprintf(&w, "health\t%shealthz, %sreadyz\n", status.Page, status.Page)
	fmt.Fprintf(&w, "metrics\t%smetrics\n", status.Page)
	fmt.Fprintf(&w, "clients\t%s (server.max_connections)\n", mostClients(c))
	fmt.Fprintf(&w, "scripts\t%s, manager %s\n", scriptsDirectory(c), c.Lua.Manager)
	count := map[auth.Protection]int{}
	for _, m := range status.Routes.Messages {
		count[m.Protection]++
	}
	fmt.Fprintf(&w, "messages\t%d: %d for everyone, %d for the client concerned, %d for admins\n\n",
		len(status.Routes.Messages), count[auth.None], count[auth.Client], count[auth.Admin])
	w.WriteString(report.Messages(status.Routes))
	return w.String()
}

// mostClients describes how many clients may connect.
func mostClients(c config.Config) string {
	if c.Server.MaxConnections == 0 {
		return "any number"
	}
	return "at most " + strconv.Itoa(c.Server.MaxConnections)
}

// scriptsDirectory describes where the scripts come from.
func scriptsDirectory(c config.Config) string {
	if _, err := os.Stat(c.Lua.Path); err != nil {
		return "built in"
	}
	return c.Lua.Path
}

// print writes text to standard output, with tabs aligned. It writes once, so that no log line comes in between.
func (p *program) print(text string) error {
	_, err := p.stdout.Write(align(text))
	return err
}

// align turns tabs into columns.
func align(text string) []byte {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(w, text) // into memory
	_ = w.Flush()
	return aligned.Bytes()
}
