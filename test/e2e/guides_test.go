//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// guideTime is how long the commands of one guide may take together.
const guideTime = 8 * time.Minute

// shell is a block of commands in a page: those marked sh are run, what is marked otherwise is only shown.
var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestGuides runs the commands of every guide as they are printed, one after the other, in a namespace of its own. The
// first that fails ends it.
func TestGuides(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(env.Root, "docs/guides/*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		t.Run(name, func(t *testing.T) {
			script := commandsOf(t, page)
			ctx, cancel := context.WithTimeout(t.Context(), guideTime)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-euxo", "pipefail", "-c", script)
			cmd.Dir, cmd.Env = env.Root, guideEnv(t, env.Namespace(t, "e2e-guide-"+name))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", page, err, out)
			}
		})
	}
}

func commandsOf(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, block := range shell.FindAllStringSubmatch(string(text), -1) {
		script.WriteString(block[1])
	}
	if script.Len() == 0 {
		t.Fatalf("%s has no commands: mark the blocks that a reader types with sh", page)
	}
	return script.String()
}

// guideEnv is what a reader has: a namespace that is the current one. `make e2e` puts kubectl, helm and the plugin on PATH.
func guideEnv(t *testing.T, namespace string) []string {
	t.Helper()
	config, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := env.Run(t.Context(), framework.Tool("kubectl"), "--kubeconfig", file,
		"config", "set-context", "--current", "--namespace", namespace); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "KUBECONFIG="+file)
}
