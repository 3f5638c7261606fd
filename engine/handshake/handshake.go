// Package handshake keeps the HTTP request that opened a connection, as compactly as a server with many connections needs it. It
// must not know what the request asks for, nor who answers it.
package handshake

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Request is the request that opened, or is about to open, a connection.
type Request struct {
	// Protocol is the subprotocol that the server selects; "" is none.
	Protocol string
	// Admission is what the application has decided about the connection. It is set before the upgrade, and taken when the connection
	// opens.
	Admission any

	text string // the target, and a line for each header field: "name: value"
}

// Refusal is the HTTP answer to a request that must not become a connection.
type Refusal struct {
	Status int
	Reason string
}

// Busy returns the refusal of a request that the application has not decided about in time.
func Busy() *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Reason: "the server is busy"}
}

// ErrTimeout is the cause of the end of a connect hook's context if the hook has taken too long.
var ErrTimeout = errors.New("it takes longer than limits.handshake_timeout")

// ProtocolHeader is the header field with the subprotocols that a client offers, or with the one that the server selects (RFC 6455,
// 11.3.4).
const ProtocolHeader = "sec-websocket-protocol"

// isKept reports whether applications can learn anything from a header field. The others are those of the handshake itself.
func isKept(name string) bool {
	return !slices.Contains([]string{
		"connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", ProtocolHeader,
	}, name)
}

// Read returns the request with those of the offered subprotocols that scripts may see.
func Read(r *http.Request, offered []string, selected string) *Request {
	var text strings.Builder
	text.WriteString(r.URL.EscapedPath())
	if r.URL.RawQuery != "" {
		text.WriteString("?" + r.URL.RawQuery)
	}
	line := func(name, value string) { text.WriteString("\n" + name + ": " + value) }
	if r.Host != "" {
		line("host", r.Host)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Header)) {
		name, separator := strings.ToLower(key), ", " // RFC 9110, 5.3
		if name == "cookie" {
			separator = "; " // RFC 9113, 8.2.3
		}
		if isKept(name) {
			line(name, strings.Join(r.Header[key], separator))
		}
	}
	if len(offered) > 0 {
		line(ProtocolHeader, strings.Join(offered, ","))
	}
	return &Request{Protocol: selected, text: text.String()}
}

// fields calls yield with the header fields, those of the handshake excepted, until it returns false.
func (r *Request) fields(yield func(name, value string) bool) {
	_, rest, _ := strings.Cut(r.text, "\n")
	for line := range strings.SplitSeq(rest, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok && !yield(name, value) {
			return
		}
	}
}

// Header returns a header field, whose name is in lower case; "" if there is none.
func (r *Request) Header(name string) string {
	for n, value := range r.fields {
		if n == name {
			return value
		}
	}
	return ""
}

// Headers returns all header fields by their name in lower case, without those of the handshake itself. Fields that were sent
// several times are joined.
func (r *Request) Headers() map[string]string {
	all := map[string]string{}
	for name, value := range r.fields {
		if name != ProtocolHeader {
			all[name] = value
		}
	}
	return all
}

// target returns the URL.
func (r *Request) target() *url.URL {
	text, _, _ := strings.Cut(r.text, "\n")
	path, query, _ := strings.Cut(text, "?")
	plain, err := url.PathUnescape(path)
	if err != nil {
		plain = path
	}
	return &url.URL{Path: plain, RawQuery: query}
}

// Path returns the path of the URL, decoded.
func (r *Request) Path() string { return r.target().Path }

// Query returns the parameters of the URL. Of a name that is there several times it is the first.
func (r *Request) Query() map[string]string {
	all := map[string]string{}
	for name, values := range r.target().Query() {
		all[name] = values[0]
	}
	return all
}

// Cookies returns the cookies. Of a name that is there several times it is the first: the one of the longest path (RFC 6265, 5.4).
func (r *Request) Cookies() map[string]string {
	all := map[string]string{}
	for _, c := range (&http.Request{Header: http.Header{"Cookie": {r.Header("cookie")}}}).Cookies() {
		if _, exists := all[c.Name]; !exists {
			all[c.Name] = c.Value
		}
	}
	return all
}

// Protocols returns the subprotocols that the client offers, without those that carry a token of the server.
func (r *Request) Protocols() []string {
	if offered := r.Header(ProtocolHeader); offered != "" {
		return strings.Split(offered, ",")
	}
	return nil
}
