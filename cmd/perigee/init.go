package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"perigee/engine/script"
)

// template holds the files of a new application.
//
//go:embed all:template
var template embed.FS

func (p *program) init() *cli.Command {
	return &cli.Command{
		Name:         "init",
		Usage:        "write a new application into a folder that is empty or does not exist yet",
		ArgsUsage:    "DIR",
		OnUsageError: onUsageError,
		Action: func(_ context.Context, c *cli.Command) error {
			folder := c.Args().First()
			if folder == "" {
				return usageError{errors.New("init: the folder is missing: perigee init DIR")}
			}
			if extra := c.Args().Get(1); extra != "" {
				return usageError{fmt.Errorf("init: unexpected argument %q", extra)}
			}
			if err := initialize(folder); err != nil {
				return fmt.Errorf("init: %w", err)
			}
			return p.print(fmt.Sprintf("a new application is in %s: go there, and run perigee start\n", folder))
		},
	}
}

// initialize writes the files of a new application. It overwrites nothing.
func initialize(folder string) error {
	if err := checkEmpty(folder); err != nil {
		return err
	}
	files, err := fs.Sub(template, "template")
	if err != nil {
		return err
	}
	if err := os.CopyFS(folder, files); err != nil {
		return err
	}
	types := filepath.Join(folder, "types")
	if err := os.Mkdir(types, 0o777); err != nil {
		return err
	}
	for name, text := range script.ModuleTypes() {
		if err := writeNew(filepath.Join(types, name+".lua"), text); err != nil {
			return err
		}
	}
	return writeNew(filepath.Join(types, "perigee.lua"), script.Types())
}

// checkEmpty returns an error unless a folder is empty or does not exist.
func checkEmpty(folder string) error {
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder; nothing was written", folder)
	}
	found, err := os.ReadDir(folder)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%s is not empty; nothing was written", folder)
	}
	return err
}

// writeNew writes a file that does not exist yet.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}
