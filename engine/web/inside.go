package web

import "net/http"

// inside is a page that shows the inside of the server.
type inside struct {
	door Door
	page http.Handler
}

// ServeHTTP serves the page to who is on this machine and has not come through a proxy, and to whoever has the key.
func (i inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, ok := i.door.Visitor(w, r)
	if ok && (peer.Direct || i.door.authorize(w, r, peer)) {
		i.page.ServeHTTP(w, r)
	}
}
