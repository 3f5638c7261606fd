// Package body owns the formats of job bodies: plain ones, {"job": NAME, "data": ARGUMENTS}, those of Laravel's queue, which
// contain a serialized PHP object, and those of Symfony Messenger, Yii2, Backburner and Stalker. It must not know queues, commands
// or settings: it returns names as the job has them.
package body

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// Limit is the longest body that Parse accepts, in bytes: just above beanstalkd's default limit of 65,535.
	Limit = 64 << 10
	// maxName is the longest name of a job or class, in bytes. They are logged, so their length must be bounded.
	maxName = 255
	// maxSeconds bounds times, so that they fit a Duration: 100 years.
	maxSeconds = 100 * 366 * 24 * 60 * 60
)

// Body is a parsed body.
type Body struct {
	// Name is the job's name as written, or the last part of its class's name: "AddPrize". It ends with "@method" if the job
	// calls another method than the usual one of a listener or a handler.
	Name string
	// Class is Name with the full name of the class: `App\Jobs\AddPrize`. It is "" if the job names no class.
	Class string
	// Arguments is JSON text, or nil if there are none. Those of a PHP object are its properties, in order, without nulls and
	// without Laravel's own. Since Laravel 9.4 a class with SerializesModels omits properties that have their declared
	// default, so a command must know these defaults.
	Arguments []byte

	// What else Laravel says about the job; 0 if it says nothing.
	Timeout  time.Duration
	MaxTries int
}

// Parse parses the body of a job. Its errors say what is wrong, for the operator. They never contain values of the body, and
// they are permanent. One that wraps an [*UnknownFormatError] is not necessarily a fault of the body.
func Parse(text []byte) (Body, error) {
	b, err := parse(text)
	if err != nil {
		return Body{}, err
	}
	return b, nil
}

func parse(text []byte) (b Body, err error) {
	if len(text) > Limit {
		return Body{}, fmt.Errorf("the job is longer than %d bytes", Limit)
	}
	if len(text) > 0 && len(bytes.Trim(text, "\x00")) == 0 {
		return Body{}, errors.New("the job has only NUL bytes, as beanstalkd leaves them when it is killed while it stores a job")
	}
	if !utf8.Valid(text) {
		return Body{}, &UnknownFormatError{found: "the job is not UTF-8"}
	}
	err = b.readFormat(text)
	return b, err
}

// setNames sets Name and Class from a job's name: a name or a class, either with @method.
func (b *Body) setNames(written string) error {
	class, method, _ := strings.Cut(strings.TrimPrefix(written, `\`), "@")
	name := class[strings.LastIndexByte(class, '\\')+1:]
	if name == "" || len(written) > maxName {
		return fmt.Errorf("the job's name is empty or longer than %d bytes", maxName)
	}
	if name != class {
		b.Class = class
	}
	b.Name = name
	switch method {
	case "", "fire", "handle", "run", "call", "__invoke":
		return nil
	}
	b.Name += "@" + method
	if b.Class != "" {
		b.Class += "@" + method
	}
	return nil
}

// setClass sets Name and Class from the name of a class and of the method to call.
func (b *Body) setClass(name, method string) error {
	if err := b.setNames(name + "@" + method); err != nil {
		return err
	}
	if b.Class == "" {
		b.Class = b.Name
	}
	return nil
}
