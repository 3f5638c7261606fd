// Package body is what the text of a job means: the plain {"job", "data"}, and what Laravel's queue writes, with a
// PHP object inside. It knows no queue, no command and no setting; names are returned as the job has them.
package body

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// Limit is the longest text that Parse looks at, in bytes: a little more than a job of beanstalkd holds unless told otherwise.
	Limit = 64 << 10
	// maxName is the longest name of a job, a class or an id, in bytes. They are logged, and so not of any length.
	maxName = 255
	// maxSeconds bounds times, so that they fit a Duration: a century.
	maxSeconds = 100 * 366 * 24 * 60 * 60
)

// Body is what a job asks for.
type Body struct {
	// Name is the job's name as it is written, or the last part of the name of a class: "AddPrize". It ends with
	// "@method" where the job asks for another method than the usual one of a listener or a handler.
	Name string
	// Class is Name with the whole name of the class: `App\Jobs\AddPrize`. It is "" where the job names no class.
	Class string
	// Arguments is JSON text, nil where there are none. Of a PHP object they are its properties, in their order, without
	// those that are null and those of Laravel's own. Since Laravel 9.4 a class with SerializesModels leaves out what is as
	// the class declares it, so that a command has to know these defaults.
	Arguments []byte

	// What Laravel says of the job besides, for those who want to know; 0 or "" where it says nothing. The queue has
	// waited for the delay already; of Laravel 5.8 to 7 it is the time between attempts.
	Delay, Timeout    time.Duration
	MaxTries          int
	Attempts          int // how often it has been tried, where the driver of Laravel counts in the body
	UUID, DisplayName string
}

// Parse reads the text of a job. Its errors are sentences that say what is wrong, for whoever looks after the queue; they
// never contain the text, and no further attempt helps.
func Parse(text []byte) (Body, error) {
	b, err := parse(text)
	if err != nil {
		return Body{}, fmt.Errorf("body: %w", err)
	}
	return b, nil
}

func parse(text []byte) (Body, error) {
	if len(text) > Limit {
		return Body{}, fmt.Errorf("the job is longer than %d bytes", Limit)
	}
	if !utf8.Valid(text) {
		return Body{}, errors.New("the job is not UTF-8")
	}
	b, job, data, err := envelope(text)
	if err != nil {
		return Body{}, err
	}
	switch job {
	case "":
		return Body{}, errors.New(`the job has no name: its "job" is missing, empty or no string`)
	case callQueuedHandler:
		err = b.laravel(data)
	case callQueuedListener:
		err = b.oldListener(data)
	case queueClosure:
		err = errClosure
	default:
		if err = b.call(job); err == nil {
			b.Arguments = plain(data)
		}
	}
	return b, err
}

// call sets the names from what is called: a name, a class, or either with @ and a method.
func (b *Body) call(written string) error {
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

// class sets the names from the name of a class, and of the method that is called.
func (b *Body) class(name, method string) error {
	if err := b.call(name + "@" + method); err != nil {
		return err
	}
	if b.Class == "" {
		b.Class = b.Name
	}
	return nil
}

// plain returns the arguments of a job that has written them as JSON. PHP has an empty list where there are none, and
// Laravel an empty string.
func plain(data []byte) []byte {
	switch string(data) {
	case "", "null", `""`, "[]":
		return nil
	}
	return data
}
