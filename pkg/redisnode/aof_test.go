package redisnode

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

func TestWalkLog(t *testing.T) {
	t.Parallel()
	const set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\n"
	for name, tc := range map[string]struct {
		text string
		bad  bool
	}{
		"nothing":                       {},
		"commands":                      {text: set + "#TS:1646720310\r\n" + set},
		"a value of more than a buffer": {text: "*1\r\n$200000\r\n" + strings.Repeat("x", 200000) + "\r\n" + set},
		"an end in a word":              {text: set + set[:20]},
		"an end in a length":            {text: set + "*3\r\n$"},
		"an end before a line end":      {text: set + "*1\r\n$1\r\nx"},
		"a hole":                        {text: set + "\x00\x00\x00" + set, bad: true},
		"a hole at the end":             {text: set + "\x00\x00\x00", bad: true},
		"a hole that is long":           {text: set + strings.Repeat("\x00", 200000) + set, bad: true},
		"a hole in a command":           {text: set[:4] + strings.Repeat("\x00", 40) + set, bad: true},
		"a word that is too long":       {text: "*1\r\n$1\r\nxyz\r\n", bad: true},
		"no number":                     {text: "*x\r\n", bad: true},
	} {
		if err := walkLog(t.Context(), strings.NewReader(tc.text)); (err != nil) != tc.bad {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// spoil makes a hole in the middle of the file of commands of a pod that does not run.
func spoil(t *testing.T, p *testPod) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dataDir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, error %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	must(t, err)
	if len(data) < 200 {
		t.Fatalf("%s has only %q", files[0], data)
	}
	at := len(data)/2 + bytes.Index(data[len(data)/2:], []byte("*")) // in a line redis would read past it
	must(t, os.WriteFile(files[0], slices.Concat(data[:at], make([]byte, 100), data[at:]), 0o600))
}

// aside are the append-only files of a pod that were set aside.
func (p *testPod) aside() []string {
	found, _ := filepath.Glob(filepath.Join(p.dataDir, "*.corrupt*"))
	return found
}

// awaitEnd waits until redis has ended by itself.
func (p *testPod) awaitEnd() {
	p.w.t.Helper()
	eventually(p.w.t, "redis has ended", func() (bool, string) {
		select {
		case <-p.redisDone:
			return true, ""
		default:
			return false, fmt.Sprintf("%+v", p.status())
		}
	})
}

// A disk that was full has left a hole in an append-only file. A replica, and a primary whose replica has taken over, get
// their data from the other, and do not crash for ever.
func TestFault38_HoleInTheAppendOnlyFile(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	fill(t, pods, 300)
	awaitCopies(t, pods)
	for name, p := range map[string]*testPod{"a replica": pods[4], "a primary": pods[0]} {
		p.crash()
		spoil(t, p)
		p.startRedis()
		p.awaitEnd()
		p.startRedis()
		s := p.awaitStatus(name+" has a copy again", func(s agent.Status) bool { return s.Role == roleReplica && s.LinkUp })
		if !strings.Contains(s.Notice, "append-only file") || len(p.aside()) != 1 {
			t.Errorf("%s: %q, %q", name, s.Notice, p.aside())
		}
	}
	w.awaitWhole(pods)
	verify(t, pods, 300)
}

// The same at a node that may have the only copy: the file stays where it is.
func TestFault38_OnlyCopyIsNotSetAside(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 0)
	fill(t, pods, 300)
	p := pods[0]
	p.crash()
	spoil(t, p)
	for range 3 {
		p.startRedis()
		p.awaitEnd()
	}
	if found := p.aside(); len(found) > 0 {
		t.Errorf("%q", found)
	}
	p.mendHole(t)
	p.startRedis()
	w.awaitWhole(pods)
}

// mendHole takes the hole out again, as `redis-check-aof --fix` and a person would, who can look into the file.
func (p *testPod) mendHole(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dataDir, "appendonlydir", "*.incr.aof"))
	must(t, err)
	data, err := os.ReadFile(files[0])
	must(t, err)
	must(t, os.WriteFile(files[0], []byte(strings.ReplaceAll(string(data), strings.Repeat("\x00", 100), "")), 0o600))
}
