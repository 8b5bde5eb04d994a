//go:build bench

package bench

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const preamble = "# What was measured\n\n" +
	"Written by `make bench`, each section by itself. Times are of one shared machine: only ratios within one run compare.\n"

// keep writes a section of RESULTS.md anew, and leaves the others as they are. $BENCH_RESULTS is another file to write.
func keep(t *testing.T, title, body string) {
	t.Helper()
	t.Logf("\n## %s\n\n%s", title, body)
	file := os.Getenv("BENCH_RESULTS")
	if file == "" {
		file = "RESULTS.md"
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(withSection(string(text), title, body)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withSection is the text with this section in its place, or at the end.
func withSection(text, title, body string) string {
	parts := strings.Split(text, "\n## ")
	parts[0] = preamble
	section := title + "\n\n" + strings.TrimSpace(body) + "\n"
	at := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, title+"\n") })
	if at < 1 {
		parts = append(parts, section)
	} else {
		parts[at] = section
	}
	return strings.Join(parts, "\n## ")
}

// machine is the processor and the cores.
func machine() string {
	name := "unknown processor"
	info, _ := os.ReadFile("/proc/cpuinfo") // a machine that does not say it can be measured too
	for line := range bytes.Lines(info) {
		if key, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(key) == "model name" {
			name = strings.TrimSpace(value)
			break
		}
	}
	return name + ", " + strconv.Itoa(runtime.NumCPU()) + " cores"
}

// load is the load average of the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}
