package redisnode

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang/glog"
)

// TestMain has the log of all tests, in full, looked through for passwords.
func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "redisnode-log")
	if err != nil {
		panic(err)
	}
	for name, value := range map[string]string{"logtostderr": "false", "stderrthreshold": "3", "log_dir": dir, "v": "9"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	glog.Flush()
	if lines := leaks(dir); len(lines) > 0 {
		fmt.Printf("FAIL: a password is in the log:\n%s\n", strings.Join(lines, "\n"))
		code = 1
	}
	if code != 0 || os.Getenv("REDISNODE_TEST_LOG") != "" {
		printLog(dir)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// leaks are the lines of the log with a password in them.
func leaks(dir string) []string {
	var found []string
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, "kanari") {
				found = append(found, strings.TrimSpace(line))
			}
		}
	}
	return found
}

func printLog(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.INFO"))
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			fmt.Println(tail(string(data), 120))
		}
	}
}
