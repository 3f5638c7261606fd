package wire

import (
	"strconv"
	"strings"
)

// MessageException is the name of the message that tells a client of an [Exception].
const MessageException = "MessageException"

// Exception is the news that the server could not do what a client asked. Name and Code are stable words of the
// protocol; Message is a sentence for people and shows nothing of the server's inside.
type Exception struct {
	Name    string
	Code    int
	Message string
}

// InvalidMessage is for a frame that is not a JSON object with a name, or that breaks a limit of JSON.
func InvalidMessage(message string) Exception {
	return Exception{Name: "InvalidMessage", Code: 400, Message: message}
}

// UnknownMessage is for a message that nobody registered.
func UnknownMessage(name string) Exception {
	return Exception{Name: "UnknownMessage", Code: 404, Message: "unknown message " + short(name)}
}

// short returns a name that came from outside as sentences have it.
func short(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if clipped := clip(name, maxID); clipped != name {
		return clipped + "..."
	}
	return name
}

// NotAllowed is the answer to an admin whom the message's own condition refuses.
func NotAllowed() Exception {
	return Exception{Name: "NotAllowed", Code: 403, Message: "this is not allowed now"}
}

// InvalidFields is for a message whose fields are not as its declaration demands.
func InvalidFields(message string) Exception {
	return Exception{Name: "InvalidFields", Code: 422, Message: message}
}

// UnknownCommand is for a program that asks for a command that nobody registered.
func UnknownCommand(name string) Exception {
	return Exception{Name: "UnknownCommand", Code: 404, Message: "unknown command " + short(name)}
}

// InvalidArguments is for a command whose arguments cannot be read.
func InvalidArguments(message string) Exception {
	return Exception{Name: "InvalidArguments", Code: 422, Message: message}
}

// ArgumentsTooLarge is for a command whose arguments have more than limit bytes.
func ArgumentsTooLarge(limit int64) Exception {
	return Exception{Name: "ArgumentsTooLarge", Code: 413, Message: "arguments larger than " + strconv.FormatInt(limit, 10) + " bytes"}
}

// Unauthorized is for a program that does not name the key.
func Unauthorized() Exception {
	return Exception{Name: "Unauthorized", Code: 401, Message: "Authorization required."}
}

// Stopping is for what comes when the server is about to end.
func Stopping() Exception {
	return Exception{Name: "Stopping", Code: 503, Message: "server shutting down"}
}

// TooManyMessages is for a client that sends faster than its limits allow.
func TooManyMessages() Exception {
	return Exception{Name: "TooManyMessages", Code: 429, Message: "too many messages"}
}

// HandlerFailed is for an error in the application. The reference leads to the log line that tells more.
func HandlerFailed(reference string) Exception {
	return Exception{Name: "HandlerFailed", Code: 500, Message: "internal error (ref " + reference + ")"}
}

// TooManyConnections is for a client that comes when the server is full.
func TooManyConnections() Exception {
	return Exception{Name: "TooManyConnections", Code: 503, Message: "server is full"}
}

// Fields returns what the MessageException carries. previous is the id of the message it answers; "" is left out.
func (e Exception) Fields(previous string) Fields {
	m := Members{{"exception", e.Name}, {"message", e.Message}, {"code", e.Code}}
	if previous != "" {
		m = append(m, Member{"previous", previous})
	}
	return m
}
