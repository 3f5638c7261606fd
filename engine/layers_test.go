package engine

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers returns the layer of each package. Imports only go down.
func layers() map[string]int {
	return map[string]int{
		"cmd/perigee":                  13,
		"cmd/perigee/service":          12,
		"cmd/perigee/report":           11,
		"engine":                       10,
		"engine/console":               9,
		"engine/spec/harness":          9,
		"engine/spec":                  10,
		"engine/jobqueue":              8,
		"engine/manager":               8,
		"engine/persist":               7,
		"engine/manager/hub":           7,
		"engine/manager/hub/history":   2,
		"engine/manager/hub/presence":  0,
		"engine/manager/hub/previous":  6,
		"engine/manager/hub/profile":   6,
		"engine/manager/hub/roster":    2,
		"engine/manager/hub/saved":     0,
		"engine/manager/hub/token":     0,
		"engine/manager/hub/updates":   2,
		"engine/manager/inspect":       8,
		"engine/manager/registry":      7,
		"engine/queue/beanstalkd":      7,
		"engine/queue/database":        7,
		"engine/queue/memory":          7,
		"engine/queue/redis":           7,
		"engine/broker":                6,
		"engine/queue":                 6,
		"engine/script":                6,
		"engine/web":                   6,
		"engine/web/client":            0,
		"engine/script/bind":           5,
		"engine/script/loader":         5,
		"engine/script/module":         5,
		"engine/script/promise":        5,
		"engine/script/api":            4,
		"engine/script/vm":             3,
		"engine/script/stdlib":         2,
		"engine/broker/outbox":         1,
		"engine/queue/body":            1,
		"engine/script/stdlib/pattern": 0,
		"engine/script/store":          1,
		"engine/script/lint":           2,
		"engine/script/varinfo":        2,
		"engine/auth":                  1,
		"engine/config":                0,
		"engine/handshake":             0,
		"cmd/perigee/ahead":            0,
		"cmd/perigee/control":          1,
		"cmd/perigee/notify":           0,
		"cmd/perigee/watch":            0,
		"engine/failures":              1,
		"engine/fetch":                 1,
		"engine/jwt":                   0,
		"engine/logging":               0,
		"engine/loop":                  1,
		"engine/metrics":               0,
		"engine/platform":              0,
		"engine/process":               1,
		"engine/priority":              0,
		"engine/quota":                 0,
		"engine/schema":                1,
		"engine/script/compile":        1,
		"engine/trace":                 1,
		"engine/script/operator":       0,
		"engine/script/value":          0,
		"engine/wire":                  0,
	}
}

// importers returns which packages may import a third-party module; "/..." includes all packages below.
func importers() map[string][]string {
	return map[string][]string{
		"github.com/BurntSushi/toml":               {"engine/config"},
		"github.com/VictoriaMetrics/metrics":       {"engine/metrics"},
		"github.com/beanstalkd/go-beanstalk":       {"engine/queue/beanstalkd"},
		"github.com/coreos/go-systemd/v22":         {"cmd/perigee/notify"},
		"github.com/fsnotify/fsnotify":             {"cmd/perigee/watch"},
		"github.com/go-sql-driver/mysql":           {"engine/queue/database"},
		"github.com/lib/pq":                        {"engine/queue/database"},
		"modernc.org/sqlite":                       {"engine/queue/database"},
		"github.com/go-jose/go-jose/v4":            {"engine/jwt"},
		"github.com/go-json-experiment/json":       {"engine/wire", "engine/script/value", "engine/queue/body"},
		"github.com/gofrs/flock":                   {"engine/platform"},
		"github.com/gomodule/redigo":               {"engine/queue/redis"},
		"github.com/google/uuid":                   {"engine/wire"},
		"github.com/gorilla/websocket":             {"engine/broker"},
		"github.com/klauspost/compress":            {"engine/broker/outbox"},
		"github.com/ncruces/go-strftime":           {"engine/script/stdlib"},
		"github.com/santhosh-tekuri/jsonschema/v6": {"engine/schema"},
		"github.com/subosito/gotenv":               {"engine/config"},
		"github.com/urfave/cli/v3":                 {"cmd/perigee"},
		"github.com/yuin/gopher-lua":               {"engine/script/...", "engine/spec"},
		"golang.org/x/sys":                         {"engine/platform", "engine/process", "cmd/perigee/control"}, // the system itself
	}
}

// imports returns the imports of the packages, without those of tests and of packages only for tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	root := os.DirFS("..")
	for _, top := range []string{"cmd", "engine"} {
		err := fs.WalkDir(root, top, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			dir := path.Dir(file)
			if strings.HasPrefix(dir, "engine/enginetest") || dir == "engine/testkit" || dir == "engine/queue/queuetest" { // only for tests
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, spec := range parsed.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				found[dir] = append(found[dir], name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// Every package has a layer and imports only packages of lower layers.
func TestLayers(t *testing.T) {
	layers := layers()
	for dir, names := range imports(t) {
		layer, known := layers[dir]
		if !known {
			t.Errorf("%s has no layer", dir)
		}
		for _, name := range names {
			below, ours := strings.CutPrefix(name, "perigee/")
			if ours && below != "scripts" && layers[below] >= layer {
				t.Errorf("%s (layer %d) imports %s (layer %d), want only lower layers", dir, layer, below, layers[below])
			}
		}
	}
}

// importersOf returns which packages may import the module of a package.
func importersOf(name string) []string {
	for module, allowed := range importers() {
		if name == module || strings.HasPrefix(name, module+"/") {
			return allowed
		}
	}
	return nil
}

// matches reports whether a package matches a pattern of importers.
func matches(dir, pattern string) bool {
	top, tree := strings.CutSuffix(pattern, "/...")
	return dir == top || tree && strings.HasPrefix(dir, top+"/")
}

// Only the listed packages import a third-party module.
func TestThirdPartyImports(t *testing.T) {
	for dir, names := range imports(t) {
		for _, name := range names {
			first, _, _ := strings.Cut(name, "/")
			if !strings.Contains(first, ".") {
				continue // of the standard library or this module
			}
			allowed := importersOf(name)
			if !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(dir, pattern) }) {
				t.Errorf("%s imports %s, want it imported only in %v", dir, name, allowed)
			}
		}
	}
}

// The table of README.md has every package with its layer, and every file and directory that README.md names exists.
func TestMapOfTheCode(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	spans := regexp.MustCompile("`[^`\n]+`")
	listed, layer := map[string]int{}, -1
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && spans.MatchString(cells[2]) {
			if n, err := strconv.Atoi(strings.TrimSpace(cells[1])); err == nil {
				layer = n
			}
			if layer >= 0 && (strings.Trim(cells[1], " 0123456789") == "") {
				for _, name := range spans.FindAllString(cells[2], -1) {
					listed[strings.Trim(name, "`")] = layer
				}
			}
		} else if strings.HasPrefix(line, "#") {
			layer = -1
		}
		for _, name := range spans.FindAllString(line, -1) {
			checkPath(t, strings.Trim(name, "`"))
		}
	}
	if want := layers(); !maps.Equal(listed, want) {
		t.Errorf("the table of README.md has %v, want %v", listed, want)
	}
}

// checkPath fails if name looks like a path of this repository and nothing matches it. Paths are relative to the root, to engine or
// to engine/script.
func checkPath(t *testing.T, name string) {
	t.Helper()
	looksLikePath := regexp.MustCompile(`^[a-z_*]+(/[a-z_*]+)+(\.(go|lua|md))?$|^[a-z_]+\.(go|lua|md)$`)
	if !looksLikePath.MatchString(name) {
		return
	}
	for _, root := range []string{"..", ".", "config", "script"} {
		if found, err := filepath.Glob(filepath.Join(root, strings.ReplaceAll(name, "**", "*"))); err == nil && len(found) > 0 {
			return
		}
	}
	t.Errorf("README.md names %s, want a path that exists", name)
}
