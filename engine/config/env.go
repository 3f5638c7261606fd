package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/subosito/gotenv"
)

// envPrefix begins the names of all variables.
const envPrefix = "SERVER_"

// readEnv reads the variables of the environment.
func (l *loader) readEnv(env []string) {
	variables := map[string]string{}
	for _, line := range env {
		if name, value, ok := strings.Cut(line, "="); ok {
			variables[name] = value
		}
	}
	l.setVariables(fromEnv, "", variables)
}

// setVariables sets the settings that variables name. Empty ones count as unset. place is the file that they come from, or "".
func (l *loader) setVariables(source int, place string, variables map[string]string) {
	if place != "" {
		place += ": "
	}
	for name, value := range variables {
		if value != "" {
			l.variables[name] = value
		}
	}
	known := map[string]bool{}
	for _, s := range l.settings {
		text := variables[s.Env]
		known[s.Env] = true
		if text == "" || s.isMap() {
			continue
		}
		value, err := s.parseText(text)
		l.set(s, origin{source: source, label: place + s.Env}, value, err)
	}
	for name, value := range variables {
		if !strings.HasPrefix(name, envPrefix) || known[name] || value == "" {
			continue
		}
		if similar := l.similarEnv(name); similar != "" {
			l.config.Warnings = append(l.config.Warnings, place+name+" is not a setting; did you mean "+similar+"?")
		}
	}
	slices.Sort(l.config.Warnings)
}

// similarEnv returns the variable of a setting that name may be a misspelling of, or "".
func (l *loader) similarEnv(name string) string {
	var known []string
	for _, s := range l.settings {
		if s.isMap() {
			continue
		}
		// The variables of some settings do not follow the rule.
		if name == s.regularEnv() {
			return s.Env
		}
		known = append(known, s.Env)
	}
	return Nearest(name, known)
}

// readEnvFile reads a file in the form of Laravel's .env.
func (l *loader) readEnvFile(path string) {
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		l.errs.add(origin{source: fromEnvFile, label: "the environment file"}, err)
		return
	}
	variables, line, err := parseEnvFile(string(text))
	if err != nil {
		l.errs.add(origin{source: fromEnvFile, line: line, label: fmt.Sprintf("%s:%d", path, line)}, err)
		return
	}
	l.setVariables(fromEnvFile, path, variables)
}

// errNotVariable is the error of an environment file. The library's errors quote the rest of the file, and so its secrets.
var errNotVariable = errors.New("not a variable: write NAME=value, or NAME=\"value\" if the value has spaces")

// dollar stands for a "$" that does not begin "${NAME}", which alone Laravel replaces; the library would replace $NAME, too. It is
// a character of private use; one in a file would become a "$".
const dollar = "\ue000"

// parseEnvFile returns the variables of an environment file. The error is about the variable that begins at line.
func parseEnvFile(text string) (variables map[string]string, line int, err error) {
	text = strings.ReplaceAll(text, "$", dollar)
	text = strings.ReplaceAll(text, dollar+"{", "${")
	if variables, err = gotenv.Unmarshal(text); err == nil {
		for name, value := range variables {
			variables[name] = strings.ReplaceAll(value, dollar, "$")
		}
		return variables, 0, nil
	}
	lines := strings.SplitAfter(text, "\n")
	for line = len(lines); err != nil && line > 1; { // a value may have several lines, so the beginning of a file may be wrong by itself
		line--
		_, err = gotenv.Unmarshal(strings.Join(lines[:line], ""))
	}
	if err != nil {
		line = 0
	}
	return nil, line + 1, errNotVariable
}
