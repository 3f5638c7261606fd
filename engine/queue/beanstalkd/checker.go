package beanstalkd

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// form is the format of an answer after its first word.
type form int

const (
	bare   form = iota // nothing, or numbers that are not the size of a body
	name               // the name of a tube
	bodied             // numbers, the last of which is the size of the body that follows
)

// maxBody is the longest body of an answer, in bytes. The library would allocate any size that the server names.
const maxBody = 16 << 20

// maxLine is the longest line, in bytes. The longest answer, USING, contains the name of a tube.
const maxLine = 256

// answers returns the answers that beanstalkd can give to the commands of this package.
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

// Errors of a server that is not beanstalkd, or whose answers are out of step.
var (
	errNotBeanstalkd = errors.New("is not beanstalkd")
	errTooBig        = errors.New("its answer is larger than accepted")
	errOutOfStep     = errors.New("its answers do not match the commands")
)

// checker checks the bytes that a server sends before the library reads them.
type checker struct {
	answers map[string]form
	// next reports whether the next answer may have a body; ok is false if no command awaits an answer. The library allocates a body
	// of any size, even a negative one, that a line seems to announce.
	next       func() (bodied, ok bool)
	line       []byte // the current line so far
	body       int    // remaining bytes of the current body
	bodyEnded  bool   // a body has ended; the two bytes of its end follow
	checked    []byte // what the library has not read yet: whole lines, and a body so far
	checkedBuf []byte // empty, the buffer in which checked begins
}

const lineEnd = "\r\n"

// endsBody reports whether the two bytes after a body are its end. beanstalkd stores them with the body; if it is killed meanwhile, what
// was not written yet is NUL after its next start (filewrjobfull in its file.c).
func endsBody(end []byte) bool {
	for i := range end {
		if end[i] != lineEnd[i] && end[i] != 0 {
			return false
		}
	}
	return true
}

// check checks the next bytes.
func (c *checker) check(p []byte) error {
	for len(p) > 0 {
		if c.body > 0 {
			n := min(c.body, len(p))
			c.body -= n
			c.checked = append(c.checked, p[:n]...)
			p = p[n:]
			continue
		}
		if c.bodyEnded {
			n := min(len(lineEnd)-len(c.line), len(p))
			c.line = append(c.line, p[:n]...)
			p = p[n:]
			if len(c.line) < len(lineEnd) {
				return nil
			}
			if !endsBody(c.line) {
				return c.notBeanstalkd()
			}
			c.checked = append(c.checked, c.line...)
			c.line, c.bodyEnded = c.line[:0], false
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			c.line = append(c.line, p...)
			if len(c.line) > maxLine {
				return c.notBeanstalkd()
			}
			return nil
		}
		c.line = append(c.line, p[:end]...)
		p = p[end+1:]
		if err := c.checkLine(); err != nil {
			return err
		}
		c.checked = append(append(c.checked, c.line...), '\n')
		c.line = c.line[:0]
	}
	return nil
}

func (c *checker) checkLine() error {
	text, ok := bytes.CutSuffix(c.line, []byte("\r"))
	if !ok || len(text) > maxLine {
		return c.notBeanstalkd()
	}
	word, rest, more := bytes.Cut(text, []byte(" "))
	form, known := c.answers[string(word)]
	switch {
	case !known, form == bodied && !more, form == name && CheckName(string(rest)) != nil:
		return c.notBeanstalkd()
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
			return c.notBeanstalkd()
		}
		size = n
	}
	if string(word) == "WATCHING" { // the answer to a command that the library adds to others
		return nil
	}
	wanted, ok := c.next()
	switch {
	case !ok, form == bodied && !wanted:
		return errOutOfStep
	case wanted && size > maxBody:
		return fmt.Errorf("%w: %d bytes", errTooBig, size)
	case form == bodied:
		c.body, c.bodyEnded = int(size), true
	}
	return nil
}

// notBeanstalkd returns an error that shows what was sent instead of an answer.
func (c *checker) notBeanstalkd() error {
	const shown = 40 // bytes
	return fmt.Errorf("the server there %w: it sent %.*q", errNotBeanstalkd, shown, c.line[:min(len(c.line), shown)])
}
