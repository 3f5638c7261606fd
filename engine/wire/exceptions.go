package wire

import "strings"

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
	name = strings.ToValidUTF8(name, "\uFFFD")
	if short := clip(name, maxID); short != name {
		name = short + "..."
	}
	return Exception{Name: "UnknownMessage", Code: 404, Message: "unknown message " + name}
}

// NotAllowed is the answer to an admin whom the message's own condition refuses.
func NotAllowed() Exception {
	return Exception{Name: "NotAllowed", Code: 403, Message: "this is not allowed now"}
}

// InvalidFields is for a message whose fields are not as its declaration demands.
func InvalidFields(message string) Exception {
	return Exception{Name: "InvalidFields", Code: 422, Message: message}
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
