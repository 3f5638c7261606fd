// Package client owns the client library that pages import, perigee.js with its types. It must not know who serves it.
package client

import "embed"

// Files holds perigee.js and perigee.d.ts.
//
//go:embed perigee.js perigee.d.ts
var Files embed.FS
