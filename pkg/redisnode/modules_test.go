package redisnode

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// moduleSource is a module that is named as its first argument says. All that a server offers to modules is found
// through the first word of the context.
const moduleSource = `
typedef int (*find)(const char *, void *);
int RedisModule_OnLoad(void *ctx, void **argv, int argc) {
	find api = (find)*(void **)ctx;
	const char *(*text)(void *, unsigned long *);
	void (*name)(void *, const char *, int, int);
	if (argc < 1 || api("RedisModule_StringPtrLen", &text) || api("RedisModule_SetModuleAttribs", &name)) return 1;
	name(ctx, text(argv[0], 0), 1, 1);
	return 0;
}
`

// buildModule compiles a module. The C compiler is there wherever tests run with -race.
func buildModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source, path := filepath.Join(dir, "m.c"), filepath.Join(dir, "m.so")
	must(t, os.WriteFile(source, []byte(moduleSource), 0o600))
	out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-o", path, source).CombinedOutput()
	if err != nil {
		t.Fatalf("build a module: %v: apt-get install gcc libc6-dev: %s", err, out)
	}
	return path
}

// A module is loaded with the arguments of the spec, in every version of the server, and again when it restarts.
func TestModules(t *testing.T) {
	path := buildModule(t)
	for _, version := range []string{"redis 7.0", "redis 8.6", "valkey 9"} {
		t.Run(version, func(t *testing.T) {
			useEngine(t, version)
			w := newWorld(t, onDisk)
			w.start = "loadmodule " + path + ` "my \"own\" module"` + "\n"
			p := w.create(0)
			for range 2 {
				p.awaitStatus("running", running)
				if got := p.operator("INFO", "modules"); !strings.Contains(got, `name=my "own" module,`) {
					t.Errorf("modules: %q", got)
				}
				p.crash()
				p.startRedis()
			}
		})
	}
}

// What the server says of what it cannot start with is in its last lines, which become the message of the container.
func TestStart_Refused(t *testing.T) {
	for name, tc := range map[string]struct {
		start  string
		denied []string
		says   []string
	}{
		"a module that is not there":  {start: "loadmodule /none.so\n", says: []string{"/none.so failed to load", "No such file"}},
		"a command that nobody knows": {denied: []string{"no-such"}, says: []string{"'-no-such'", "Unknown command"}},
		"a name that another command has": {
			start: "rename-command keys get\n", says: []string{"'rename-command keys get'", "already exists"},
		},
	} {
		for _, version := range []string{"redis 7.0", "redis 8.6", "valkey 9"} {
			t.Run(name+", "+version, func(t *testing.T) {
				useEngine(t, version)
				w := newWorld(t, onDisk)
				w.start, w.denied = tc.start, tc.denied
				p := w.create(0)
				eventually(t, "redis has said why it ends", func() (bool, string) {
					p.mu.Lock()
					defer p.mu.Unlock()
					said := tail(strings.TrimSpace(p.log.String()), 4)
					return !slices.ContainsFunc(tc.says, func(words string) bool { return !strings.Contains(said, words) }), said
				})
			})
		}
	}
}

// Clients cannot run what was taken from them, and find the others under their new names; the cluster forms, takes over
// and starts again as ever.
func TestRenamedCommands(t *testing.T) {
	w := newWorld(t, onDisk)
	w.start, w.denied = "rename-command keys keys-x\nrename-command scan s\n", []string{"flushall", "cluster|nodes"}
	pods := w.form(3, 1)
	fill(t, pods, 100)
	awaitCopies(t, pods)
	pods[0].crash()
	pods[0].startRedis()
	pods[0].awaitStatus("follows", func(s agent.Status) bool { return s.Role == roleReplica && s.LinkUp })
	w.awaitWhole(pods)
	verify(t, pods, 100)
	for command, want := range map[string]string{
		"FLUSHALL": "NOPERM", "CLUSTER NODES": "NOPERM", "KEYS *": "unknown command", "keys-x none": "", "s 0": "key-",
	} {
		got := pods[1].client(strings.Fields(command)...)
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q", command, got)
		}
	}
	verify(t, pods, 100)
}

// The commands that may have another name (pkg/apis/redis/v1/modules.go) are never written to append-only files nor sent
// to replicas, in any version.
func TestRenamedCommands_WriteNothing(t *testing.T) {
	mayBe := renameable(t)
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			server := redistest.StartMany(t, 1, redistest.Options{Engine: engine})[0]
			var known, writes []string
			server.List(t, &known, "COMMAND", "LIST")
			server.List(t, &writes, "ACL", "CAT", "write")
			for _, name := range mayBe {
				if !slices.Contains(known, name) || slices.Contains(writes, name) || !slices.Contains(writes, "set") {
					t.Errorf("%s is not known, or writes: %q", name, writes)
				}
			}
		})
	}
}

// renameable are the commands that the API server takes another name for.
func renameable(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../apis/redis/v1/modules.go")
	must(t, err)
	list := regexp.MustCompile(`k in \[(.*?)\]`).FindStringSubmatch(string(text))
	if list == nil {
		t.Fatal("no rule of RenamedCommands names them")
	}
	return strings.Split(strings.ReplaceAll(list[1], "'", ""), ", ")
}
