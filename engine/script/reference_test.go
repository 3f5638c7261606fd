package script

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"perigee/engine/script/api"
)

// Every function and every type of the editors' annotations has a heading in the reference.
func TestReferenceIsComplete(t *testing.T) {
	reference := Reference(api.Description{})
	for _, class := range regexp.MustCompile(`(?m)^---@class perigee\.(\w+)$`).FindAllStringSubmatch(Types(api.Description{}), -1) {
		if !strings.Contains(reference, "\n## "+class[1]+"\n") {
			t.Errorf("Reference() has no heading for %s", class[1])
		}
	}
	for _, f := range regexp.MustCompile(`(?m)^function (\w+)([.:]\w+)\(`).FindAllStringSubmatch(Types(api.Description{}), -1) {
		if heading := strings.ToLower(f[1]) + f[2]; !strings.Contains(reference, "\n### "+heading+"\n") {
			t.Errorf("Reference() has no heading for %s", heading)
		}
	}
}

// The modules that are written in Lua are described as their files define them.
func TestManagerModulesAreDescribed(t *testing.T) {
	for _, m := range managerModules() {
		text, err := os.ReadFile("../../scripts/" + strings.ReplaceAll(m.Name, ".", "/") + ".lua")
		if err != nil {
			t.Fatal(err)
		}
		var defined []string
		for _, f := range regexp.MustCompile(`(?m)^function \w+\.(\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			defined = append(defined, f[1])
		}
		var described []string
		for _, f := range m.Functions {
			described = append(described, f.Name)
			if err := f.Check(); err != nil {
				t.Errorf("%s: %v", m.Name, err)
			}
		}
		slices.Sort(defined)
		slices.Sort(described)
		if !slices.Equal(defined, described) {
			t.Errorf("%s is described with the functions %q, its file defines %q", m.Name, described, defined)
		}
	}
}

// A link to options is the anchor that Markdown makes of their heading.
func TestReferenceLinks(t *testing.T) {
	reference := Reference(api.Description{GlobalsTitle: "Globals of specs", Globals: []api.Function{}})
	for _, link := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(reference, -1) {
		if !regexp.MustCompile(`(?mi)^#+ ` + strings.Join(strings.Split(strings.ReplaceAll(link[1], "-", " "), ""), `\.?`) + `$`).MatchString(reference) {
			t.Errorf("Reference() links to #%s, and no heading has that anchor", link[1])
		}
	}
}
