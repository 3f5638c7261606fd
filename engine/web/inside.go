package web

import "net/http"

// inside is a page that shows the inside of the server.
type inside struct {
	commands Commands // whose doors are the same
	page     http.Handler
}

// ServeHTTP serves the page to who is on this machine and has not come through a proxy, and to whoever has the key, as
// Commands does. Others are answered as Commands does it.
func (i inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, ok := i.commands.Visitor(w, r)
	if ok && (peer.Direct || i.commands.authorize(w, r, peer)) {
		i.page.ServeHTTP(w, r)
	}
}
