package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"time"

	"perigee/engine/web/client"
)

// libraryFile is a file of the client library, which pages of every origin may import.
type libraryFile struct {
	name, contentType string
	text              []byte
	tag               string // of its contents: browsers that have them need not load them again
}

// libraryFiles returns the files of the client library.
func libraryFiles() []libraryFile {
	files := []libraryFile{
		{name: "perigee.js", contentType: "text/javascript; charset=utf-8"},
		{name: "perigee.d.ts", contentType: "text/plain; charset=utf-8"}, // browsers take .ts for a video
	}
	for i := range files {
		text, err := client.Files.ReadFile(files[i].name)
		if err != nil {
			panic(err) // the binary has it
		}
		sum := sha256.Sum256(text)
		files[i].text, files[i].tag = text, `"`+hex.EncodeToString(sum[:8])+`"`
	}
	return files
}

// handler serves the file, unless the pages have a file of that name: then site serves it.
func (f libraryFile) handler(pages fs.FS, site http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pages != nil {
			if _, err := fs.Stat(visible{pages}, f.name); err == nil {
				site.ServeHTTP(w, r)
				return
			}
		}
		if !allowsRead(w, r) {
			return
		}
		header := w.Header()
		setPageHeaders(header)
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Content-Type", f.contentType)
		header.Set("ETag", f.tag)
		http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.text))
	})
}
