package redistest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Engine is a server program.
type Engine struct {
	Name    string // "redis-server", or its name in the lab's cache: "valkey-9"
	Server  string // path of the program, or of its starter
	Version string // what it says of itself
}

// Default is the server of $REDIS_SERVER, or else of $PATH, or else the first of the lab's cache.
func Default(tb testing.TB) Engine {
	tb.Helper()
	return Engines(tb)[0]
}

// Engines are all servers that this machine has, no version twice: first $REDIS_SERVER or the one of $PATH,
// then those of the lab's cache.
func Engines(tb testing.TB) []Engine {
	tb.Helper()
	var engines []Engine
	seen := map[string]bool{}
	for _, engine := range candidates(tb) {
		version, err := serverVersion(tb.Context(), engine.Server)
		if err != nil {
			tb.Fatalf("%s --version: %v", engine.Server, err)
		}
		if engine.Version = version; !seen[version] {
			engines = append(engines, engine)
		}
		seen[version] = true
	}
	if len(engines) == 0 {
		tb.Fatal("no redis-server found: install it (apt-get install redis-server, or make lab-engines), " +
			"or name one in $REDIS_SERVER")
	}
	return engines
}

func candidates(tb testing.TB) []Engine {
	tb.Helper()
	var engines []Engine
	if named := os.Getenv("REDIS_SERVER"); named != "" {
		engines = append(engines, Engine{Name: filepath.Base(named), Server: named})
	} else if found, err := exec.LookPath("redis-server"); err == nil {
		engines = append(engines, Engine{Name: "redis-server", Server: found})
	}
	starters, err := filepath.Glob(filepath.Join(labCache(), "engines", "*", "run-server"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, starter := range starters {
		// An engine that is being made, or could not be, has a starter but not this mark.
		if _, err := os.Stat(filepath.Join(filepath.Dir(starter), "complete")); err == nil {
			engines = append(engines, Engine{Name: filepath.Base(filepath.Dir(starter)), Server: starter})
		}
	}
	return engines
}

// labCache is where test/lab keeps its engines.
func labCache() string {
	if dir := os.Getenv("REDIS_OPERATOR_LAB_CACHE"); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "redis-operator-lab")
}

// serverVersion is "v=7.0.15" out of "Redis server v=7.0.15 sha=... bits=64 build=...", with the engine's name.
func serverVersion(ctx context.Context, server string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, server, "--version").Output()
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(out))
	if len(words) < 3 {
		return "", fmt.Errorf("it says %q", out)
	}
	return strings.ToLower(words[0]) + " " + strings.TrimPrefix(words[2], "v="), nil
}
