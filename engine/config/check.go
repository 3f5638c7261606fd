package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// check checks a value of the setting's type by the tags range, one and check. The error contains the remedy.
func (s setting) check(value any) error {
	if s.field.Tag.Get("range") != "" {
		least, most := s.bounds()
		if number(value) < number(least) || number(value) > number(most) {
			return s.outOfRange(value)
		}
		return nil
	}
	if list, isList := value.([]string); isList {
		for _, text := range list {
			if err := checkText(s.field.Tag.Get("check"), text); err != nil {
				return err
			}
		}
	}
	if secret, ok := value.(Secret); ok {
		return checkText(s.field.Tag.Get("check"), string(secret))
	}
	text, isText := value.(string)
	if !isText {
		return nil
	}
	if words, ok := s.field.Tag.Lookup("one"); ok {
		if err := checkWord(text, strings.Split(words, " ")); err != nil {
			return err
		}
	}
	return checkText(s.field.Tag.Get("check"), text)
}

// bounds returns the least and the most that the setting's range allows, as values of its type.
func (s setting) bounds() (least, most any) {
	first, last, _ := strings.Cut(s.field.Tag.Get("range"), "..")
	least, _ = s.parseText(first) // a test parses all of them
	most, _ = s.parseText(last)
	return least, most
}

// number returns an int, a Duration or a Size as a number.
func number(value any) int64 { return reflect.ValueOf(value).Int() }

func (s setting) outOfRange(value any) error {
	if _, isInt := value.(int); isInt && s.isPort() {
		return s.notNumber(show(value))
	}
	return fmt.Errorf("%s is out of range; write %s", show(value), s.allowed())
}

// notNumber returns the error of a value that should be a number.
func (s setting) notNumber(shown string) error {
	if s.isPort() {
		return fmt.Errorf("%s is not a port; write a number from 1 to 65535, or 0 for any free port", shown)
	}
	return fmt.Errorf("%s is not a number; write %s", shown, s.allowed())
}

func (s setting) isPort() bool { return s.field.Tag.Get("check") == "port" }

// allowed describes the values in the range.
func (s setting) allowed() string {
	least, most := s.bounds()
	kind := "a number"
	switch least.(type) {
	case Duration:
		kind = "a duration"
	case Size:
		kind = "a size"
	}
	return fmt.Sprintf("%s from %v to %v", kind, least, most)
}

func checkWord(text string, words []string) error {
	if slices.Contains(words, text) {
		return nil
	}
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = strconv.Quote(word)
	}
	last := len(quoted) - 1
	return fmt.Errorf("%s is unknown; write %s or %s", show(text), strings.Join(quoted[:last], ", "), quoted[last])
}

// checkText checks the form of a text by the rule in the setting's tag check.
func checkText(rule, text string) error {
	switch rule {
	case "address":
		if _, err := netip.ParseAddr(text); err != nil && text != "localhost" {
			return fmt.Errorf(`%s is not an IP address; write for example "127.0.0.1", "0.0.0.0" or "localhost"`, show(text))
		}
	case "service":
		return checkService(text)
	case "dsn":
		return checkDSN(text)
	case "table":
		if text == "" || !consistsOf(text, "_.$-") {
			return fmt.Errorf(`%s is not the name of a table; write letters, digits and _.$- only, for example "jobs"`, show(text))
		}
	case "directory":
		if text == "" {
			return errors.New(`the directory is missing; write for example "scripts"`)
		}
	case "module":
		for part := range strings.SplitSeq(text, ".") {
			if part == "" || !consistsOf(part, "_-") {
				return fmt.Errorf(`%s is not the name of a module; write for example "giveaway" or "app.manager"`, show(text))
			}
		}
	case "path":
		if len(text) < 2 || text[0] != '/' || text[len(text)-1] != '/' || strings.Contains(text, "//") || !consistsOf(text, "/-_") {
			return fmt.Errorf(`%s is not a path; write letters, digits, - and _ between slashes, for example "/console/"`, show(text))
		}
	case "listen":
		host, port, err := net.SplitHostPort(text)
		_, portErr := strconv.ParseUint(port, 10, 16)
		if _, hostErr := netip.ParseAddr(host); text != "" && (err != nil || portErr != nil || hostErr != nil && host != "localhost") {
			return fmt.Errorf(`%s is not an IP address and a port; write for example "127.0.0.1:8090"`, show(text))
		}
	case "member":
		if text == "" {
			return errors.New(`the name of a field is missing; write for example "pin"`)
		}
	case "subprotocol":
		if text == "" || !consistsOf(text, "!#$%&'*+-.^_`|~") || strings.HasPrefix(text, "perigee.") {
			return fmt.Errorf(`%s is not the name of a subprotocol of yours; write letters, digits and -._+ only, for example "chat"`, show(text))
		}
	case "queue":
		if text == "" || len(text) > longestQueue || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
			return fmt.Errorf(`%s is not the name of a queue; write 1 to %d characters without spaces, for example "default"`, show(text), longestQueue)
		}
	}
	return nil
}

// longestQueue is the maximum length of a queue's name, in bytes: beanstalkd's protocol.txt, "Tubes", allows 200 characters, of which the
// client library allows 199.
const longestQueue = 199

// checkTube checks the name of a queue of beanstalkd.
func checkTube(text string) error {
	if text[0] == '-' || !consistsOf(text, "-+/;.$_()") {
		return fmt.Errorf(`%s is not the name of a queue; write letters, digits and -+/;.$_() only, for example "default"`, show(text))
	}
	return nil
}

// sqlite begins the DSN of a file.
const sqlite = "sqlite://"

// checkDSN checks the URL of a database, if there is one. The error does not show it.
func checkDSN(text string) error {
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case text == "":
		return nil
	case !ok || rest == "" || !slices.Contains([]string{"postgres", "postgresql", "pgsql", "mysql", "mariadb", "sqlite"}, scheme):
		return errors.New(`it is not the URL of a database; write for example "postgres://user:password@127.0.0.1/app", "mysql://..." or "sqlite:///path"`)
	case scheme == "sqlite":
		return nil
	}
	if _, err := url.Parse(text); err != nil {
		return errors.New("it is not a valid URL; write special characters of the password as in %40 for @")
	}
	return nil
}

// checkService checks the address of any queue service. Its errors contain no password.
func checkService(text string) error {
	if isRedisURL(text) {
		if _, err := ParseRedisAddress(text); err != nil {
			return fmt.Errorf("%s %w", show(withoutPassword(text)), err)
		}
		return nil
	}
	return checkDial(text)
}

// checkDial checks the address of a service: host and port, or the path of a Unix socket.
func checkDial(text string) error {
	const longest = 107 // bytes: sun_path of unix(7) less the byte that ends it
	if path := dialed(text); filepath.IsAbs(path) {
		if len(path) > longest || strings.Contains(path, "\x00") {
			return fmt.Errorf("%s is not the path of a socket, which has at most %d bytes", show(text), longest)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(text)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || n == 0 || host == "" {
		return fmt.Errorf(`%s is not a host and port, nor the path of a socket; write for example "127.0.0.1:11300" or "/run/beanstalkd.sock"`,
			show(withoutPassword(text)))
	}
	return nil
}

// Dialed returns Address in the form that is dialed: host:port, or the absolute path of a Unix socket; for redis also a URL.
func (q Queue) Dialed() string {
	if q.Driver == DriverRedis && q.Address == Default().Queue.Address {
		return net.JoinHostPort("127.0.0.1", redisPort)
	}
	return dialed(q.Address)
}

// dialed removes the prefix of a socket's path: unix://, or unix: as in beanstalkd's flag -l.
func dialed(address string) string {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path = strings.TrimPrefix(path, "//"); filepath.IsAbs(path) {
			return path
		}
	}
	return address
}

// consistsOf reports whether text has only ASCII letters, digits and characters in others.
func consistsOf(text, others string) bool {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return strings.Trim(text, alphanumeric+others) == ""
}
