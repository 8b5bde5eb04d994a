package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// faults are the numbers of the faults that have tests, from the first to the last of each range.
var faults = [][2]int{{1, 7}, {9, 10}, {14, 33}, {36, 36}, {38, 49}, {56, 60}}

// Every numbered fault has a test that is named after it: TestFault25_AllPodsDeletedAtOnce, or TestFault03To07_CutMoves.
func TestEveryFaultHasATest(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`(?m)^func TestFault(\d\d)(?:To(\d\d))?_\w+\(t \*testing\.T\)`)
	tested := map[int]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return errOrSkip(err)
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range name.FindAllStringSubmatch(string(text), -1) {
			first, _ := strconv.Atoi(match[1])
			last, _ := strconv.Atoi(match[2])
			for n := first; n <= max(first, last); n++ {
				tested[n] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range faults {
		for n := r[0]; n <= r[1]; n++ {
			if !tested[n] {
				t.Errorf("no test is named TestFault%02d_", n)
			}
		}
	}
}

// errOrSkip is what a walk does about a directory that is left out.
func errOrSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}
