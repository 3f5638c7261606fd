package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"perigee/engine/config"
)

// filesReserved is how many open files the server needs besides its clients, including four for each process.
const filesReserved = 64 + 4*maxProcesses

// checkFiles checks that this process may open enough files for the maximum number of clients.
func checkFiles(maxConnections int) error {
	limit, err := openFilesLimit()
	if err != nil {
		return fmt.Errorf("engine: reading the limit of open files: %w", err)
	}
	if maxConnections > 0 && uint64(maxConnections)+filesReserved > limit {
		return fmt.Errorf("engine: server.max_connections is %d, but this process may open only %d files: allow at least %d (ulimit -n, LimitNOFILE=) or set it lower",
			maxConnections, limit, maxConnections+filesReserved)
	}
	return nil
}

// pages returns the files served at "/": the directory that server.public names, or else the directory "public" beside the
// manager's module, in the scripts directory or in the binary. It returns nil if there is none.
func pages(c config.Config, builtin fs.FS) (fs.FS, error) {
	if dir := c.Server.Public; dir != "" {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, c.SettingError("server.public", err)
		}
		return root.FS(), nil
	}
	beside := path.Join(strings.ReplaceAll(c.Lua.Manager, ".", "/"), "public")
	if c.Lua.Path != "" {
		root, err := os.OpenRoot(filepath.Join(c.Lua.Path, beside))
		if err == nil {
			return root.FS(), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, c.SettingError("lua.path", fmt.Errorf("the application's page: %w", err))
		}
	}
	if info, err := fs.Stat(builtin, beside); err == nil && info.IsDir() {
		return fs.Sub(builtin, beside)
	}
	return nil, nil //nolint:nilnil // having no pages is not an error
}
