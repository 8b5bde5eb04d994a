package redisnode

import (
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
		text  string
		holes []hole
		bad   bool
	}{
		"nothing":                       {},
		"commands":                      {text: set + "#TS:1646720310\r\n" + set},
		"a value of more than a buffer": {text: "*1\r\n$200000\r\n" + strings.Repeat("x", 200000) + "\r\n" + set},
		"an end in a word":              {text: set + set[:20]},
		"an end in a length":            {text: set + "*3\r\n$"},
		"an end before a line end":      {text: set + "*1\r\n$1\r\nx"},
		"a hole":                        {text: set + "\x00\x00\x00" + set, holes: []hole{{28, 3}}},
		"a hole at the end":             {text: set + "\x00\x00\x00", holes: []hole{{28, 3}}},
		"two holes":                     {text: "\x00" + set + "\x00\x00" + set, holes: []hole{{0, 1}, {29, 2}}},
		"a hole that is long":           {text: set + strings.Repeat("\x00", 200000) + set, holes: []hole{{28, 200000}}},
		"a hole in a command":           {text: set[:4] + strings.Repeat("\x00", 40) + set, bad: true},
		"a hole, and then nonsense":     {text: set + "\x00\x00" + "x" + set, holes: []hole{{28, 2}}, bad: true},
		"a word that is too long":       {text: "*1\r\n$1\r\nxyz\r\n", bad: true},
		"no number":                     {text: "*x\r\n", bad: true},
	} {
		holes, err := walkLog(t.Context(), strings.NewReader(tc.text))
		if (err != nil) != tc.bad || !slices.Equal(holes, tc.holes) {
			t.Errorf("%s: %v, %v", name, holes, err)
		}
	}
}

func TestReadLog_End(t *testing.T) {
	t.Parallel()
	const set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\n"
	for name, tc := range map[string]struct {
		text string
		hole hole
	}{
		"after a command":        {set + strings.Repeat("\x00", 3*logBuffer), hole{28, 3 * logBuffer}},
		"in a command":           {set + set[:20] + "\x00\x00", hole{48, 2}},
		"nothing has come of it": {strings.Repeat("\x00", 5000), hole{0, 5000}},
	} {
		path := filepath.Join(t.TempDir(), "x.incr.aof")
		must(t, os.WriteFile(path, []byte(tc.text), 0o600))
		found, err := readLog(t.Context(), path)
		if err != nil || found.other != nil || !slices.Equal(found.holes, []hole{tc.hole}) || !found.fillable() {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
		must(t, found.fill())
		if left, err := os.ReadFile(path); err != nil || string(left) != tc.text[:tc.hole.at] {
			t.Errorf("%s: %d bytes are left, not %d (%v)", name, len(left), tc.hole.at, err)
		}
	}
}

func TestDamage_Fillable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		damage damage
		can    bool
	}{
		"a remark has room":             {damage{size: 100, holes: []hole{{10, 2}}}, true},
		"a remark has no room":          {damage{size: 100, holes: []hole{{10, 1}}}, false},
		"one byte at the end":           {damage{size: 100, holes: []hole{{99, 1}}}, true},
		"a block is missing":            {damage{size: 9000, holes: []hole{{10, 4096}}}, false},
		"blocks at the end are missing": {damage{size: 9000, holes: []hole{{10, 8990}}}, true},
		"there is more":                 {damage{size: 100, holes: []hole{{10, 2}}, other: errNoCommand}, false},
	} {
		if can := tc.damage.fillable(); can != tc.can {
			t.Errorf("%s: %t", name, can)
		}
	}
}

// Whatever length a hole has, the remarks in it are as long, and none is longer than redis reads.
func TestRemarks(t *testing.T) {
	t.Parallel()
	for length := 2; length < 1000; length++ {
		text := remarks(length)
		if len(text) != length {
			t.Fatalf("%d: %q", length, text)
		}
		for line := range strings.Lines(text) {
			if line[0] != '#' || line[len(line)-1] != '\n' || len(line) > remarkLength {
				t.Fatalf("%d: %q", length, line)
			}
		}
	}
}

// spoil puts something into the middle of the file of commands of a pod that does not run, where a command begins, or at
// its end.
func spoil(t *testing.T, p *testPod, what string, atEnd bool) {
	t.Helper()
	data := p.commands(t)
	if len(data) < 200 {
		t.Fatalf("there is only %q", data)
	}
	at := len(data)
	if !atEnd {
		at = len(data)/2 + strings.Index(data[len(data)/2:], "*") // in a line redis would read past it
	}
	must(t, os.WriteFile(p.commandsPath(t), []byte(data[:at]+what+data[at:]), 0o600))
}

// zeros are a hole.
var zeros = strings.Repeat("\x00", 100)

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
		spoil(t, p, zeros, false)
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

// The same at nodes that may have the only copy: holes are filled, and every key is there. In the middle a full disk
// leaves one, at the end a host that has lost its power.
func TestFault38_OnlyCopyIsMended(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 0)
	fill(t, pods, 300)
	for i, p := range pods {
		p.crash()
		spoil(t, p, zeros, i == 1)
		if i == 2 {
			spoil(t, p, zeros[:17], true)
		}
		p.startRedis()
		p.awaitEnd()
		p.startRedis()
		s := p.awaitStatus("it has its data", func(s agent.Status) bool { return s.Role == rolePrimary && s.HasData })
		if !strings.Contains(s.Notice, "append-only file") || len(p.aside()) > 0 {
			t.Errorf("%q, %q", s.Notice, p.aside())
		}
	}
	w.awaitWhole(pods)
	verify(t, pods, 300)
}

// What is no hole may be a command that is broken: the file stays as it is, for a person to say what to give up.
func TestFault38_OnlyCopyIsLeftAlone(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 0)
	fill(t, pods, 300)
	p := pods[0]
	p.crash()
	spoil(t, p, zeros+nonsense, false)
	before := p.commands(t)
	for range 3 {
		p.startRedis()
		p.awaitEnd()
	}
	if found := p.aside(); len(found) > 0 || p.commands(t) != before {
		t.Errorf("%q, %d bytes of %d", found, len(p.commands(t)), len(before))
	}
	p.mend(t)
	p.startRedis()
	w.awaitWhole(pods)
}

const nonsense = "nonsense"

// commands is the file of commands of a pod.
func (p *testPod) commands(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(p.commandsPath(t))
	must(t, err)
	return string(data)
}

func (p *testPod) commandsPath(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dataDir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, error %v", files, err)
	}
	return files[0]
}

// mend takes the nonsense out again, as `redis-check-aof --fix` and a person would, who can look into the file.
func (p *testPod) mend(t *testing.T) {
	t.Helper()
	mended := strings.ReplaceAll(p.commands(t), zeros+nonsense, "")
	must(t, os.WriteFile(p.commandsPath(t), []byte(mended), 0o600))
}
