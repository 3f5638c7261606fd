package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/service"
	"perigee/engine/config"
)

// searchTimeout bounds the search for another server: a server answers at once or not at all.
const searchTimeout = 2 * time.Second

// hintOtherServer adds a hint to the error of a command that has found no server, if a server of this user has the same settings
// file but listens on another port: the port in the file has changed since its start, or was overridden then.
func (p *program) hintOtherServer(ctx context.Context, settings config.Config, err error) error {
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	file := settingsFile(settings)
	for _, path := range control.Paths(p.variable("XDG_RUNTIME_DIR"), os.TempDir()) {
		var found service.Identity
		if control.Call(ctx, path, service.Identify, nil, &found) != nil || found.Settings != file {
			continue
		}
		flags := fmt.Sprintf("--port %d", found.Port)
		if settings.Server.Control != "" {
			flags = "--control " + path
		}
		err = fmt.Errorf("%w\nthe server of %s, process %d, listens on port %d: use %s, or restart the server",
			err, file, found.PID, found.Port, flags)
	}
	return err
}

// settingsFile returns the absolute path, without symbolic links, of the settings file. The file need not exist. Programs in
// different directories get the same path for the same file.
func settingsFile(settings config.Config) string {
	file := cmp.Or(settings.Path, defaultFile)
	absolute, err := filepath.Abs(file)
	if err != nil {
		return file
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(absolute)); err == nil {
		return filepath.Join(dir, filepath.Base(absolute))
	}
	return absolute
}
