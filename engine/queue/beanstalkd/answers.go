package beanstalkd

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// form is how an answer goes on after its first word.
type form int

const (
	bare   form = iota // not at all, or with numbers of which the library makes nothing but numbers
	name               // with the name of a tube
	bodied             // with numbers, the last of which is the size of the body that follows
)

// maxAnswer bounds the body of an answer, in bytes. The library would make room for whatever size the service names.
const maxAnswer = 16 << 20

// maxLine bounds a line: the longest, USING, has the name of a tube.
const maxLine = 256

// answers are all that beanstalkd says to the commands of this package.
func answers() map[string]form {
	return map[string]form{
		"USING": name, "WATCHING": bare,
		"RESERVED": bodied, "FOUND": bodied, "OK": bodied,
		"INSERTED": bare, "DELETED": bare, "RELEASED": bare, "BURIED": bare, "TOUCHED": bare, "KICKED": bare,
		"TIMED_OUT": bare, "DEADLINE_SOON": bare, "NOT_FOUND": bare, "NOT_IGNORED": bare,
		"OUT_OF_MEMORY": bare, "INTERNAL_ERROR": bare, "BAD_FORMAT": bare, "UNKNOWN_COMMAND": bare, "DRAINING": bare,
		"EXPECTED_CRLF": bare, "JOB_TOO_BIG": bare,
	}
}

// Errors of a service that is not beanstalkd, or is out of step.
var (
	errForeign = errors.New("is not beanstalkd")
	errTooBig  = errors.New("its answer is larger than this server takes")
	errUnasked = errors.New("its answers do not fit what it was asked")
)

// checker looks at what a service sends before the library sees it.
type checker struct {
	answers map[string]form
	// next tells whether the next answer, to whatever was asked, may have a body; ok is false where nothing was asked. The
	// library makes room for a body of any size, even a negative one, that a line seems to have.
	next  func() (bodied, ok bool)
	line  []byte // what there is of the present line
	body  int    // bytes of a body that are still to come
	ended bool   // a body has ended, and its line end is to come
	whole []byte // what was looked at and is not read by the library yet: whole lines, and what there is of a body
	room  []byte // where whole begins
}

// check looks at the next bytes.
func (c *checker) check(p []byte) error {
	for len(p) > 0 {
		if c.body > 0 {
			n := min(c.body, len(p))
			c.body -= n
			c.whole = append(c.whole, p[:n]...)
			p = p[n:]
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			c.line = append(c.line, p...)
			if len(c.line) > maxLine {
				return c.foreign()
			}
			return nil
		}
		c.line = append(c.line, p[:end]...)
		p = p[end+1:]
		if err := c.take(); err != nil {
			return err
		}
		c.whole = append(append(c.whole, c.line...), '\n')
		c.line = c.line[:0]
	}
	return nil
}

// take looks at a whole line.
func (c *checker) take() error {
	text, ok := bytes.CutSuffix(c.line, []byte("\r"))
	if !ok || len(text) > maxLine {
		return c.foreign()
	}
	if c.ended {
		c.ended = false
		if len(text) > 0 {
			return c.foreign()
		}
		return nil
	}
	word, rest, more := bytes.Cut(text, []byte(" "))
	form, known := c.answers[string(word)]
	switch {
	case !known, form == bodied && !more, form == name && CheckName(string(rest)) != nil:
		return c.foreign()
	case form == name:
		return nil
	}
	var size uint64
	for number := range bytes.SplitSeq(rest, []byte(" ")) {
		if !more {
			break
		}
		n, err := strconv.ParseUint(string(number), 10, 64)
		if err != nil {
			return c.foreign()
		}
		size = n
	}
	if string(word) == "WATCHING" { // to a command that the library sends along with another
		return nil
	}
	wanted, ok := c.next()
	switch {
	case !ok, form == bodied && !wanted:
		return errUnasked
	case wanted && size > maxAnswer:
		return fmt.Errorf("%w: %d bytes", errTooBig, size)
	case form == bodied:
		c.body, c.ended = int(size), true
	}
	return nil
}

// foreign tells what was sent instead of an answer.
func (c *checker) foreign() error {
	const shown = 40 // bytes
	return fmt.Errorf("what listens there %w: it says %.*q", errForeign, shown, c.line[:min(len(c.line), shown)])
}
