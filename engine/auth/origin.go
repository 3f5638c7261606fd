package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Origins are the web origins whose pages may connect. The zero value allows the server's own origin only, and whoever
// sends no Origin at all, which browsers always do.
type Origins struct {
	listed   []site   // exact
	families []family // https://*.example.com
	any      bool
	required bool
	proxies  Proxies
}

// family is all origins whose host is one label and parent.
type family struct {
	site          // host is the parent
	suffix string // "." and the parent
}

// ParseOrigins reads a list of origins besides the server's own: "https://app.example.com",
// "https://app.example.com:8443", "https://*.example.com" (one label in place of the asterisk), or "*" for any. The error
// names the entry.
func ParseOrigins(list []string) (Origins, error) {
	var o Origins
	for _, entry := range list {
		if err := o.add(entry); err != nil {
			return Origins{}, fmt.Errorf("auth: origin %s: %w", quote(entry), err)
		}
	}
	return o, nil
}

func (o *Origins) add(entry string) error {
	if entry == "*" {
		o.any = true
		return nil
	}
	if entry == "null" {
		return errors.New("stands for any page without an origin of its own and cannot be listed")
	}
	scheme, rest, found := strings.Cut(entry, "://*.")
	if !found {
		listed, err := parseOrigin(entry)
		if err != nil {
			return err
		}
		o.listed = append(o.listed, listed)
		return nil
	}
	parent, err := parseOrigin(scheme + "://" + rest)
	if err != nil {
		return err
	}
	if strings.HasPrefix(parent.host, "[") {
		return errors.New("an address has no names below it")
	}
	o.families = append(o.families, family{site: parent, suffix: "." + parent.host})
	return nil
}

// Any tells whether every origin is allowed, which deserves a warning.
func (o Origins) Any() bool { return o.any }

// Required returns o, but refusing requests without an Origin header.
func (o Origins) Required() Origins {
	o.required = true
	return o
}

// Behind returns o, but believing these proxies when they say in X-Forwarded-Proto by which scheme the client came. It
// matters for servers behind a proxy that ends TLS: their own origin is https, though what arrives is http.
func (o Origins) Behind(p Proxies) Origins {
	o.proxies = p
	return o
}

// Check returns nil when the page that the request comes from may connect, else why not: the answer is then 403. A page
// may when its origin is listed or is the server's own, which is Host with the scheme of the request.
func (o Origins) Check(r *http.Request) error {
	lines := r.Header["Origin"]
	if len(lines) == 0 {
		if o.required {
			return errors.New("auth: origin: none given")
		}
		return nil
	}
	if len(lines) > 1 {
		return fmt.Errorf("auth: origin: given %d times", len(lines))
	}
	if o.any {
		return nil
	}
	// Sandboxed frames, files and some redirects send "null" (RFC 6454, 7.3); it fails to parse like any other word.
	origin, err := parseOrigin(lines[0])
	if err != nil {
		return fmt.Errorf("auth: origin %s: %w", quote(lines[0]), err)
	}
	if o.lists(origin) || o.own(origin, r) {
		return nil
	}
	return fmt.Errorf("auth: origin %s: neither listed nor that of host %s", quote(lines[0]), quote(r.Host))
}

func (o Origins) lists(origin site) bool {
	if slices.Contains(o.listed, origin) {
		return true
	}
	for _, f := range o.families {
		label, ok := strings.CutSuffix(origin.host, f.suffix)
		if ok && isLabel(label) && origin.scheme == f.scheme && origin.port == f.port {
			return true
		}
	}
	return false
}

// own tells whether the origin is the server's. Behind a trusted proxy that does not say which scheme the client used,
// either is right.
func (o Origins) own(origin site, r *http.Request) bool {
	scheme := schemeHTTP
	if r.TLS != nil {
		scheme = schemeHTTPS
	}
	if o.proxies.trusts(remote(r)) {
		scheme = forwardedScheme(r)
	}
	if scheme == "" {
		scheme = origin.scheme
	}
	server, err := parseSite(scheme, r.Host)
	return err == nil && origin == server
}

// forwardedScheme returns what X-Forwarded-Proto says, "" where it says nothing known. Of several values the first is the
// client's. Some proxies write the schemes of WebSocket.
func forwardedScheme(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	switch strings.ToLower(strings.TrimSpace(first)) {
	case schemeHTTP, "ws":
		return schemeHTTP
	case schemeHTTPS, "wss":
		return schemeHTTPS
	default:
		return ""
	}
}
