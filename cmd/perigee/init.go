package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"perigee/engine/script"
	"perigee/engine/spec"
)

// template holds the files of a new application.
//
//go:embed all:template
var template embed.FS

// keyFile is the file of a new application that has its admin key, as its server.toml says.
const keyFile = "key"

func (p *program) init() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "create a new application in a directory that is empty or does not exist",
		ArgsUsage: "DIR",
		Description: "Writes settings, a random admin password, a manager with its spec and its page, types for an editor, and settings of " +
			"luacheck.\n\n" +
			examples("perigee init app && cd app && perigee start --watch --open"),
		Action: func(_ context.Context, c *cli.Command) error {
			dir := c.Args().First()
			if dir == "" {
				return wrongUsage(c, errors.New("the directory is missing: perigee init DIR"))
			}
			if err := initialize(dir); err != nil {
				return fmt.Errorf("init: %w", err)
			}
			return p.print(fmt.Sprintf("created an application in %[1]s; to start it: cd %[1]s && perigee start\n"+
				"the admin password is in %[2]s\n", dir, filepath.Join(dir, keyFile)))
		},
	}
}

// initialize writes the files of a new application. It overwrites nothing.
func initialize(dir string) error {
	if err := checkEmpty(dir); err != nil {
		return err
	}
	files, err := fs.Sub(template, "template")
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, files); err != nil {
		return err
	}
	// Only the owner may read it, as server.key_file demands.
	if err := os.WriteFile(filepath.Join(dir, keyFile), []byte(rand.Text()+"\n"), 0o600); err != nil {
		return err
	}
	types := filepath.Join(dir, "types")
	if err := os.Mkdir(types, 0o777); err != nil { // it must be new, so nothing in it is overwritten
		return err
	}
	for name, text := range script.ModuleTypes(spec.Description()) {
		if err := os.WriteFile(filepath.Join(types, name+".lua"), []byte(text), 0o666); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".luacheckrc"), []byte(script.Luacheck(spec.Description())), 0o666); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(types, "perigee.lua"), []byte(script.Types(spec.Description())), 0o666)
}

// checkEmpty returns an error unless a directory is empty or does not exist.
func checkEmpty(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory; nothing was written", dir)
	}
	found, err := os.ReadDir(dir)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%s is not empty; nothing was written", dir)
	}
	return err
}
