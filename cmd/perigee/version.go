package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
)

// version is the version of a release, which its build sets: go build -ldflags "-X main.version=1.2.3" ./cmd/perigee.
var version string

// revisionLength is how many digits of a revision are shown, as many as go build puts into the version of a commit without a tag.
const revisionLength = 12

// build returns the version and the revision of this binary, as far as they are known.
func build() report.Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(version, info)
}

// buildOf returns the build of a release, or of a binary that go build has made if release is "".
func buildOf(release string, info *debug.BuildInfo) report.Build {
	b := report.Build{Version: strings.TrimPrefix(release, "v")}
	recorded := map[string]string{}
	for _, s := range info.Settings {
		recorded[s.Key] = s.Value
	}
	b.Revision = recorded["vcs.revision"]
	b.Revision = b.Revision[:min(len(b.Revision), revisionLength)]
	if recorded["vcs.modified"] == "true" {
		b.Revision += "+dirty"
	}
	if b.Version == "" {
		b.Version = strings.Trim(strings.TrimPrefix(info.Main.Version, "v"), "()") // "(devel)" without a revision
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

func (p *program) version() *cli.Command {
	return &cli.Command{
		Name:   "version",
		Usage:  "print the version",
		Action: func(context.Context, *cli.Command) error { return p.printVersion() },
	}
}

func (p *program) printVersion() error {
	_, err := fmt.Fprintf(p.stdout, "perigee %s %s %s/%s\n", build(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
