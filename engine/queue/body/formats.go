package body

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"perigee/engine/wire"
)

// UnknownFormatError is the error of a body that has none of the formats of this package. A program that knows its format may read
// it.
type UnknownFormatError struct {
	// Texts are strings in the body, one of which may be the name of its command. They must not be shown.
	Texts []string
	found string
}

func (e *UnknownFormatError) Error() string { return e.found }

const (
	maxListed     = 5  // members of an object that an error lists
	maxListedName = 40 // bytes of the name of each
)

// unknownFormat returns the error of a JSON object without a name.
func (o document) unknownFormat() error {
	e := &UnknownFormatError{found: "the job has no name: it is an empty object"}
	var listed []string
	for _, name := range o.names {
		if text := o.text(name); text != "" && len(text) <= maxName {
			e.Texts = append(e.Texts, text)
		}
		if len(listed) < maxListed {
			short := name
			if len(short) > maxListedName {
				short = strings.ToValidUTF8(short[:maxListedName], "") + "..."
			}
			listed = append(listed, fmt.Sprintf("%q", short))
		}
	}
	switch value, named := o.values["job"]; {
	case len(listed) == 0:
	case named && value.Kind() == jsontext.KindString:
		e.found = `the job has no name: its "job" is empty`
	case named:
		e.found = fmt.Sprintf(`the job has no name: its "job" must be a string, found %s`, wire.Kind(value))
	default:
		more := ""
		if n := len(o.names) - len(listed); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		e.found = fmt.Sprintf(`the job has no name: it has no "job", but %s%s`, strings.Join(listed, ", "), more)
	}
	return e
}

// readFormat reads a body by its format.
func (b *Body) readFormat(text []byte) error {
	switch text = bytes.TrimLeft(text, " \t\r\n"); jsontext.Value(text).Kind() {
	case jsontext.KindBeginArray:
		return b.stalker(text)
	case jsontext.KindBeginObject:
	default:
		if err := notValue(text); err != nil {
			return err
		}
		return &UnknownFormatError{found: "the job has no name: it is " + wire.Kind(text)}
	}
	o, err := readDocument(text)
	if err != nil {
		return &UnknownFormatError{found: err.Error()}
	}
	switch {
	case o.text("job") != "":
		return b.plainOrLaravel(o)
	case o.kind("body") == jsontext.KindString && o.kind("headers") != 0:
		return b.messenger(o)
	case isBackburner(o):
		return b.backburner(o)
	case o.text("class") != "":
		return b.yii(o)
	}
	return o.unknownFormat()
}

// notValue returns the error of a text that is not one JSON value.
func notValue(text []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if _, err := d.ReadValue(); err != nil {
		return &UnknownFormatError{found: notJSON(err).Error()}
	}
	if len(bytes.Trim(text[d.InputOffset():], " \t\r\n")) > 0 {
		return &UnknownFormatError{found: "the job has more text after its JSON value"}
	}
	return nil
}

// plainOrLaravel reads {"job": NAME, "data": ARGUMENTS}.
func (b *Body) plainOrLaravel(o document) (err error) {
	b.MaxTries = max(countOf(o.values["maxTries"]), countOf(o.values["tries"]))
	b.Timeout = secondsOf(o.values["timeout"])
	switch job, data := o.text("job"), o.values["data"]; job {
	case callQueuedHandler:
		return b.callQueuedHandler(data)
	case callQueuedListener:
		return b.callQueuedListener(data)
	case queueClosure:
		return errClosure
	default:
		if err := b.setNames(job); err != nil {
			return err
		}
		b.Arguments, err = arguments("data", data)
		return err
	}
}

// messenger reads what Symfony Messenger's beanstalkd transport writes, {"body": TEXT, "headers": {"type": CLASS}}, if its
// serializer writes JSON.
func (b *Body) messenger(o document) error {
	text := o.text("body")
	headers := document{}
	if o.kind("headers") == jsontext.KindBeginObject {
		var err error
		if headers, err = readDocument(o.values["headers"]); err != nil {
			return err
		}
	}
	class := headers.text("type")
	if class == "" {
		if strings.HasPrefix(text, "O:") || strings.HasPrefix(text, "Tz") { // Tz is O: in base64
			return errors.New(`the job is a message of Symfony Messenger that PHP has serialized: ` +
				`set the transport's serializer to "messenger.transport.symfony_serializer"`)
		}
		return &UnknownFormatError{found: `the job has no name: it has "body" and "headers", but no "type" in "headers"`}
	}
	if err := b.setClass(class, ""); err != nil {
		return err
	}
	for _, name := range headers.names {
		if format := headers.text(name); strings.EqualFold(name, "Content-Type") && !strings.Contains(strings.ToLower(format), "json") {
			return fmt.Errorf("the job is a message of Symfony Messenger, whose serializer must write JSON, found Content-Type %.40q", format)
		}
	}
	value := jsontext.Value(text)
	if err := value.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		return errors.New(`the job is a message of Symfony Messenger, but its "body" is not JSON`)
	}
	var err error
	b.Arguments, err = arguments("body", value)
	return err
}

// isBackburner reports whether an object is a job of Backburner, not of Yii2: it has "class", "args" and maybe "ttr", and the class
// is not one of PHP's.
func isBackburner(o document) bool {
	class := o.text("class")
	if class == "" || strings.Contains(class, `\`) || o.kind("args") != jsontext.KindBeginArray {
		return false
	}
	return !slices.ContainsFunc(o.names, func(name string) bool { return name != "class" && name != "args" && name != "ttr" })
}

// backburner reads {"class": NAME, "args": [ARGUMENTS]}, as the Ruby library Backburner writes it.
func (b *Body) backburner(o document) error {
	class := o.text("class")
	name := class[strings.LastIndexByte(class, ':')+1:] // without the modules of Ruby
	if len(class) > maxName {
		name = ""
	}
	if err := b.setNames(name); err != nil {
		return err
	}
	b.Class = class
	list, err := items(o.values["args"])
	switch {
	case err != nil:
		return err
	case len(list) > 1:
		return fmt.Errorf("args must be one object, found %d values", len(list))
	case len(list) == 1:
		b.Arguments, err = arguments("args", list[0])
	}
	return err
}

// yii reads {"class": CLASS, PROPERTY: VALUE, ...}, as the queue of Yii2 writes it with JsonSerializer.
func (b *Body) yii(o document) error {
	b.Arguments = o.without("class")
	return b.setClass(o.text("class"), "")
}

// stalker reads [NAME, ARGUMENTS], as the Ruby library Stalker writes it.
func (b *Body) stalker(text []byte) error {
	list, err := items(text)
	unknown := func(format string, values ...any) error {
		return &UnknownFormatError{found: "the job has no name: it is " + fmt.Sprintf(format, values...)}
	}
	switch {
	case err != nil:
		return &UnknownFormatError{found: err.Error()}
	case len(list) == 0:
		return unknown("an empty list")
	case list[0].Kind() != jsontext.KindString:
		return unknown("a list whose first item is %s", wire.Kind(list[0]))
	case len(list) > 2:
		return unknown("a list of %d items", len(list))
	}
	if err := b.setNames(stringOf(list[0])); err != nil {
		return err
	}
	if len(list) == 2 {
		b.Arguments, err = arguments("the second item", list[1])
	}
	return err
}
