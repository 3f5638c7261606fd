package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/service"
	"perigee/engine/config"
)

// elsewhereTime bounds the search for a server at other places: each of them answers at once, or not at all.
const elsewhereTime = 2 * time.Second

// elsewhere adds to the error of a command that has found no server where the settings say it is, which server of this user
// has the same settings file and listens on another port: somebody has changed the port since, or named one at the start.
func (p *program) elsewhere(ctx context.Context, settings config.Config, err error) error {
	ctx, cancel := context.WithTimeout(ctx, elsewhereTime)
	defer cancel()
	paths, errPaths := control.Paths(p.variable("XDG_RUNTIME_DIR"), os.TempDir())
	if errPaths != nil {
		return err
	}
	file := settingsFile(settings)
	for _, path := range paths {
		var found service.Identity
		if control.Call(ctx, path, service.Identify, nil, &found) != nil || found.Settings != file {
			continue
		}
		flags := fmt.Sprintf("--port %d", found.Port)
		if settings.Server.Control != "" {
			flags = "--control " + path
		}
		err = fmt.Errorf("%w\nthe server of %s, process %d, listens on port %d: reach it with %s, or start it again for another",
			err, file, found.PID, found.Port, flags)
	}
	return err
}

// settingsFile returns the file that settings come from, or would come from if there were one: absolute and without links, so
// that two programs in different folders mean the same by it.
func settingsFile(settings config.Config) string {
	file := settings.Path
	if file == "" {
		file = defaultFile
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return file
	}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(absolute)); err == nil {
		return filepath.Join(folder, filepath.Base(absolute))
	}
	return absolute
}
