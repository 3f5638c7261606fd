package main

import (
	"runtime/debug"
	"testing"

	"perigee/cmd/perigee/report"
)

// The version is that of the release if the build has set one, and otherwise what go build has recorded.
func TestBuild(t *testing.T) {
	const revision = "d9ff59e932851122334455667788990011223344"
	commit := func(module, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: module}, Settings: []debug.BuildSetting{
			{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified},
		}}
	}
	for _, row := range []struct {
		release string
		info    *debug.BuildInfo
		want    report.Build
		text    string
	}{
		{"1.2.3", commit("v1.2.3", "false"), report.Build{Version: "1.2.3", Revision: "d9ff59e93285"}, "1.2.3 (d9ff59e93285)"},
		{"v1.2.3", &debug.BuildInfo{}, report.Build{Version: "1.2.3"}, "1.2.3"},
		{"1.2.3", commit("v1.2.3+dirty", "true"), report.Build{Version: "1.2.3", Revision: "d9ff59e93285+dirty"}, "1.2.3 (d9ff59e93285+dirty)"},
		{"", commit("v1.2.3", "false"), report.Build{Version: "1.2.3", Revision: "d9ff59e93285"}, "1.2.3 (d9ff59e93285)"},
		{
			"", commit("v0.0.0-20261201113000-d9ff59e93285+dirty", "true"),
			report.Build{Version: "0.0.0-20261201113000-d9ff59e93285+dirty", Revision: "d9ff59e93285+dirty"},
			"0.0.0-20261201113000-d9ff59e93285+dirty",
		},
		{"", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, report.Build{Version: "devel"}, "devel"},
		{"", &debug.BuildInfo{}, report.Build{Version: "devel"}, "devel"},
	} {
		if got := buildOf(row.release, row.info); got != row.want || got.String() != row.text {
			t.Errorf("buildOf(%q, %+v) = %+v, %s, want %+v, %s", row.release, row.info, got, got, row.want, row.text)
		}
	}
}
