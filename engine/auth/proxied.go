package auth

import (
	"net/http"
	"slices"
	"strings"
)

// isProxied reports whether a request shows that it came through a proxy: by a header that proxies add, or by HTTP/1.0, which
// nginx speaks unless it is told otherwise, while browsers and other clients of today do not. No other place decides this.
func isProxied(r *http.Request) bool {
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		return true
	}
	for name := range r.Header {
		if isProxyHeader(name) {
			return true
		}
	}
	return false
}

// isProxyHeader reports whether proxies, load balancers, content delivery networks or tunnels add a header of this name to the
// requests that they pass on. The headers of tracing, such as Traceparent, are not among them: programs send them too.
func isProxyHeader(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(proxyHeaders(), name) ||
		slices.ContainsFunc(proxyPrefixes(), func(prefix string) bool { return strings.HasPrefix(name, prefix) }) ||
		slices.ContainsFunc(addressSuffixes(), func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// proxyHeaders returns single names in lower case.
func proxyHeaders() []string {
	return []string{
		"via",                              // RFC 9110, 7.6.3
		"forwarded",                        // RFC 7239
		"cdn-loop",                         // RFC 8586
		"client-cert", "client-cert-chain", // RFC 9440
		"front-end-https", "x-scheme", "x-url-scheme", "x-host", "x-real-port",
		"x-request-id", "x-request-start", "x-queue-start", "x-unique-id", "x-varnish", "x-cloud-trace-context",
	}
}

// proxyPrefixes returns the beginnings of names in lower case: those that many proxies share, then those of single products.
func proxyPrefixes() []string {
	return []string{
		"x-forwarded", "forwarded-", "x-original-", "x-proxy", "proxy-", "x-ssl-", "ssl-client-", "x-cdn", "cdn-",
		"akamai-", "ali-", "cf-", "cloudfront-", "fastly-", "fly-", "incap-", "ngrok-", "render-", "rndr-", "tailscale-",
		"x-akamai-", "x-amz", "x-appengine-", "x-arr-", "x-azure-", "x-envoy-", "x-fastly-", "x-goog-", "x-haproxy-",
		"x-ingress-", "x-ms-", "x-nf-", "x-nginx-", "x-railway-", "x-sucuri-", "x-traefik-", "x-vercel-",
	}
}

// addressSuffixes returns the ends of names in lower case that say what only a proxy has to say: the address of the client, as
// in X-Real-IP, CF-Connecting-IP, True-Client-IP and X-Cluster-Client-IP.
func addressSuffixes() []string {
	return []string{"-ip", "clientip", "socketip", "realip", "remoteip", "-addr", "remoteaddr", "-address"}
}
