package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lastFault is the number of the last case that the operator is built against.
const lastFault = 60

// TestFaults: docs/faults.md has every case once, each is shown by tests that there are, and every test of a case is in its
// row.
func TestFaults(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile(`(?m)^\| (\d+) \|.*\|([^|]*)\|$`)
	word := regexp.MustCompile("`([^`]+)`")
	there := namesOfTests(t)
	shown := map[string]string{} // test: case
	cases := row.FindAllStringSubmatch(read(t, "docs/faults.md"), -1)
	if len(cases) != lastFault {
		t.Errorf("%d cases, not %d", len(cases), lastFault)
	}
	for i, found := range cases {
		if want := fmt.Sprint(i + 1); found[1] != want {
			t.Fatalf("case %s is where %s belongs", found[1], want)
		}
		tests := word.FindAllStringSubmatch(found[2], -1)
		if len(tests) == 0 && strings.TrimSpace(found[2]) != "planned" {
			t.Errorf("case %s is shown by nothing, and not planned either", found[1])
		}
		for _, test := range tests {
			shown[test[1]] = found[1]
			if !slices.Contains(there, test[1]) {
				t.Errorf("case %s is shown by %s, which there is not", found[1], test[1])
			}
		}
	}
	numbered := regexp.MustCompile(`^(?:Test)?Fault0*(\d+)_`)
	for _, name := range there {
		if of := numbered.FindStringSubmatch(name); of != nil && shown[name] != of[1] {
			t.Errorf("%s is not in the row of case %s, but of %q", name, of[1], shown[name])
		}
	}
}

// namesOfTests are those of all functions that test, and of parts of them that are of a numbered case.
func namesOfTests(t *testing.T) []string {
	t.Helper()
	name := regexp.MustCompile(`(?m)^func (Test\w+)\(|"(Fault\d+_[\w%]+)"`)
	var names []string
	for _, dir := range []string{"cmd", "pkg", "test"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, found := range name.FindAllStringSubmatch(string(text), -1) {
				names = append(names, found[1]+found[2])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(names) == 0 {
		t.Fatal("there are no tests")
	}
	return names
}
