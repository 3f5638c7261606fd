package body

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"perigee/engine/queue/php"
)

// What Laravel's own worker calls where a job is an object; and, before Laravel 5.4, where it is a listener or, before
// 5.3, a closure.
const (
	callQueuedHandler  = `Illuminate\Queue\CallQueuedHandler@call`
	callQueuedListener = `Illuminate\Events\CallQueuedHandler@call`
	queueClosure       = "IlluminateQueueClosure"
)

var errClosure = errors.New("the job is a closure, which is PHP code: dispatch an object of a class instead")

// laravel reads the object of a job: {"commandName": its class, "command": the object, serialized}.
func (b *Body) laravel(data []byte) error {
	var command string
	if err := members(data, func(name string, value jsontext.Value) {
		if name == "command" {
			command = str(value)
		}
	}); err != nil || command == "" {
		return errors.New(`the job is Laravel's, but its "data" has no "command"`)
	}
	if !strings.HasPrefix(command, "O:") && !strings.HasPrefix(command, "C:") {
		return errors.New("the job is encrypted with the key of the Laravel application: " +
			"dispatch it without ShouldBeEncrypted, or to a queue of Laravel's own worker")
	}
	v, err := php.Read([]byte(command))
	if err != nil {
		return fmt.Errorf("the job's PHP object cannot be read: %w", err)
	}
	return b.command(v)
}

// command reads the object that Laravel's worker would call.
func (b *Body) command(v *php.Value) error {
	if v.Kind == php.Custom {
		if v.Inner == nil || v.Inner.Kind != php.Array {
			return errors.New("the job's class writes its objects in its own way, which only its PHP code can read: " +
				"use __serialize instead of Serializable")
		}
		v = &php.Value{Kind: php.Object, Class: v.Class, Entries: v.Inner.Entries}
	}
	if err := onlyLaravel(v); err != nil {
		return err
	}
	switch v.Class {
	case `Illuminate\Events\CallQueuedListener`:
		return b.listener(text(v.Property("class")), text(v.Property("method")), v.Property("data"))
	case `Illuminate\Broadcasting\BroadcastEvent`:
		event := v.Property("event")
		if event == nil || event.Kind != php.Object {
			return errors.New("the job broadcasts an event, but has none")
		}
		return b.event(event)
	}
	return b.object(v)
}

// onlyLaravel returns why a job is one that nothing but Laravel's own worker can do, or nil.
func onlyLaravel(v *php.Value) error {
	const elsewhere = ": dispatch it to a queue of Laravel's own worker"
	switch v.Class {
	case `Illuminate\Queue\CallQueuedClosure`:
		return errClosure
	case `Illuminate\Mail\SendQueuedMailable`:
		return errors.New("the job is a mail" + elsewhere)
	case `Illuminate\Notifications\SendQueuedNotifications`:
		return errors.New("the job is a notification of Laravel" + elsewhere)
	case `Illuminate\Foundation\Console\QueuedCommand`:
		return errors.New("the job is a command of artisan" + elsewhere)
	case `Illuminate\Bus\ChainedBatch`:
		return errors.New("the job is a batch" + elsewhere)
	}
	for _, e := range v.Entries {
		switch {
		case e.Owner != "":
		case e.Key == "chained" && e.Value.Kind == php.Array && len(e.Value.Entries) > 0:
			return errors.New("other jobs are chained to the job, which only Laravel's own worker dispatches: " +
				"dispatch them one by one, or the chain to a queue of that worker")
		case e.Key == "batchId" && e.Value.Kind != php.Null:
			return errors.New("the job belongs to a batch, which only Laravel's own worker counts: " +
				"dispatch it by itself, or the batch to a queue of that worker")
		}
	}
	return nil
}

// object reads a job whose properties are its arguments.
func (b *Body) object(v *php.Value) (err error) {
	if err := b.class(v.Class, ""); err != nil {
		return err
	}
	b.Arguments, err = arguments(own(v, laravels))
	return err
}

// event reads an event that is the job: its name is the command, its properties are the arguments.
func (b *Body) event(v *php.Value) (err error) {
	if err := b.class(v.Class, ""); err != nil {
		return err
	}
	b.Arguments, err = arguments(own(v, broadcasts))
	return err
}

// listener reads the call of a listener: its class is the command. What it is called with is mostly one event, whose
// properties are the arguments; else it is the list of them.
func (b *Body) listener(class, method string, data *php.Value) (err error) {
	if class == "" {
		return errors.New("the job calls a listener, but does not say which")
	}
	if err := b.class(class, method); err != nil {
		return err
	}
	if data != nil && data.Kind == php.String { // serialized by itself before Laravel 5.4
		if data, err = php.Read([]byte(data.Text)); err != nil {
			return fmt.Errorf("the event of the job cannot be read: %w", err)
		}
	}
	if data == nil || !data.List() || len(data.Entries) == 0 {
		return nil
	}
	if first := data.Entries[0].Value; len(data.Entries) == 1 && first.Kind == php.Object {
		b.Arguments, err = arguments(own(first, isSocket))
		return err
	}
	b.Arguments, err = list(data)
	return err
}

// oldListener reads {"class", "method", "data": serialized}.
func (b *Body) oldListener(data []byte) error {
	var class, method string
	event := &php.Value{Kind: php.String}
	if err := members(data, func(name string, value jsontext.Value) {
		switch name {
		case "class":
			class = str(value)
		case "method":
			method = str(value)
		case "data":
			event.Text = str(value)
		}
	}); err != nil {
		return errors.New(`the job calls a listener, but its "data" is no object`)
	}
	return b.listener(class, method, event)
}

// text returns "" where v is no string.
func text(v *php.Value) string {
	if v == nil || v.Kind != php.String {
		return ""
	}
	return v.Text
}
