package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/urfave/cli/v3"

	"perigee/engine/config"
)

// manual returns the manual page perigee(1) in the language of man(7), made from the tree of commands.
func manual(root *cli.Command) string {
	var w strings.Builder
	fmt.Fprintf(&w, ".TH %s 1 \"\" %s \"User Commands\"\n", strings.ToUpper(root.Name), root.Name)
	fmt.Fprintf(&w, ".SH NAME\n%s \\- %s\n", root.Name, roff(root.Usage))
	fmt.Fprintf(&w, ".SH SYNOPSIS\n.B %s\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n", root.Name)
	w.WriteString(".SH COMMANDS\n")
	manualCommands(&w, root)
	w.WriteString(".SH SETTINGS\n" + roff("Each setting is a flag of all commands that use settings. Flags override variables of the environment, "+
		"these override the file of --env-file, and that overrides "+defaultFile+", in which the key PORT of the section SERVER is server.port.") + "\n")
	for _, key := range config.Keys() {
		manualItem(&w, "--"+key.Flag+", "+key.Env+", "+key.Name, key.Usage+" Default: "+quoteEmpty(key.Default)+".")
	}
	w.WriteString(".SH FILES\n")
	manualItem(&w, defaultFile, "Settings, in the directory where perigee is started. --config names another file.")
	w.WriteString(".SH EXIT STATUS\n")
	for _, code := range exitCodes() {
		manualItem(&w, fmt.Sprint(code.code), code.meaning)
	}
	return w.String()
}

// quoteEmpty returns a text that can be seen.
func quoteEmpty(text string) string {
	if text == "" {
		return `""`
	}
	return text
}

// manualCommands writes a section for each command below c that does something.
func manualCommands(w *strings.Builder, c *cli.Command) {
	for _, command := range c.VisibleCommands() {
		if len(command.VisibleCommands()) > 0 {
			manualCommands(w, command)
			continue
		}
		fmt.Fprintf(w, ".SS %s\n%s.\n", roff(strings.TrimSpace(command.FullName()+" "+command.ArgsUsage)), roff(command.Usage))
		if command.Description != "" {
			text, lines, _ := strings.Cut(command.Description, "Examples:\n")
			if text = strings.TrimSpace(text); text != "" {
				fmt.Fprintf(w, ".PP\n%s\n", roff(text))
			}
			if lines != "" {
				fmt.Fprintf(w, ".PP\n.EX\n%s\n.EE\n", roff(strings.ReplaceAll(strings.TrimSpace(lines), "\n   ", "\n")))
			}
		}
		for _, flag := range command.VisibleFlags() {
			categorized, ok := flag.(cli.CategorizableFlag)
			if setting := ok && categorized.GetCategory() != ""; setting || strings.HasPrefix(flag.Names()[0], "help") {
				continue
			}
			name, usage, _ := strings.Cut(flag.String(), "\t")
			manualItem(w, name, usage)
		}
	}
}

// manualItem writes an item of a list.
func manualItem(w *strings.Builder, name, text string) {
	fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(name), roff(text))
}

// roff escapes a text.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	return regexp.MustCompile(`(?m)^[.']`).ReplaceAllString(text, `\&$0`)
}
