package redisnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRenderConf(t *testing.T) {
	t.Parallel()
	got := renderConf("maxmemory 1gb\nport 7000\nbind 127.0.0.1\n\n\n", pod{
		IP: "10.1.2.3", Bind: "* -::*", DataDir: "/data", RunDir: "/run/redisnode", NodeTimeout: 1000,
		Replication: `a "b" \c` + "\tü",
	})
	wanted := `maxmemory 1gb
port 7000
bind 127.0.0.1

# The lines of this pod. They come last, so that they win.
port 6379
bind * -::*
protected-mode no
dir "/data"
daemonize no
supervised no
logfile ""
pidfile ""
unixsocket "/run/redisnode/redis.sock"
unixsocketperm 700
aclfile "/run/redisnode/users.acl"
masteruser replication
masterauth "a \"b\" \\c\x09\xc3\xbc"
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout 1000
cluster-announce-ip 10.1.2.3
cluster-announce-port 6379
cluster-announce-bus-port 16379
`
	if got != wanted {
		t.Errorf("got\n%s\nwanted\n%s", got, wanted)
	}
}

func TestNodeTimeout(t *testing.T) {
	t.Parallel()
	for conf, wanted := range map[string][3]int{ // back in a cluster, forming one, and joining one
		"":                                {15000, 1000, 5000},
		"cluster-node-timeout 5000\n":     {5000, 1000, 5000},
		"cluster-node-timeout 300":        {300, 300, 300},
		"Cluster-Node-Timeout \"7000\"\n": {7000, 1000, 5000},
		"cluster-node-timeout 1\n# x\n\tcluster-node-timeout 2000\n": {2000, 1000, 2000},
		"cluster-node-timeout many\n":                                {15000, 1000, 5000},
		"# cluster-node-timeout 5000\n":                              {15000, 1000, 5000},
		"cluster-node-timeout -5\n":                                  {15000, 1000, 5000},
	} {
		if got := [3]int{nodeTimeout(conf, comesBack), nodeTimeout(conf, forms), nodeTimeout(conf, joins)}; got != wanted {
			t.Errorf("%q: %v", conf, got)
		}
	}
}

func TestRenderACL(t *testing.T) {
	t.Parallel()
	got := renderACL(passwords{Default: "foo", Operator: "o", Redisnode: "n", Replication: "r", Mover: "m"}, version{}, nil)
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != 5 {
		t.Fatalf("got\n%s", got)
	}
	// printf foo | sha256sum
	wanted := "user default on #2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae " + rulesDefault
	if lines[0] != wanted {
		t.Errorf("got %s", lines[0])
	}
	for i, name := range []string{"default", "operator", "redisnode", "replication", "mover"} {
		if !strings.HasPrefix(lines[i], "user "+name+" on #") {
			t.Errorf("line %d: %s", i, lines[i])
		}
	}
	old := renderACL(passwords{Default: "foo"}, version{}, []string{"flushall", "ft.drop"})
	if strings.Contains(old, "user mover") || !strings.HasPrefix(old, wanted+" -flushall -ft.drop\n") {
		t.Errorf("a user without a password, or one who may too much: %s", old)
	}
}

// A pod that an older operator made has no password of the mover among its files.
func TestReadPasswords_OfAnOlderOperator(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{fileDefault, fileOperator, fileRedisnode, fileReplication} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("of "+name), 0o600))
	}
	got, err := readPasswords(dir)
	if err != nil || got.Mover != "" || got.Replication != "of replication-password" {
		t.Errorf("%+v, %v", got, err)
	}
	must(t, os.WriteFile(filepath.Join(dir, fileMover), nil, 0o600))
	if _, err = readPasswords(dir); err == nil {
		t.Error("an empty password is one")
	}
	must(t, os.Remove(filepath.Join(dir, fileMover)))
	must(t, os.Remove(filepath.Join(dir, fileOperator)))
	if _, err = readPasswords(dir); err == nil {
		t.Error("the operator's password is optional")
	}
}

func TestReadPassword(t *testing.T) {
	t.Parallel()
	for content, wanted := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", "two words": "two words",
		"a\nb": "a\nb", "": "", "\n": "", "a\x00b": "",
	} {
		path := filepath.Join(t.TempDir(), fileDefault)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readPassword(path)
		if got != wanted || (err == nil) != (wanted != "") {
			t.Errorf("%q: %q, %v", content, got, err)
		}
		if err != nil && content != "" && strings.Contains(err.Error(), strings.TrimSpace(content)) && len(content) > 1 {
			t.Errorf("the error has the password: %v", err)
		}
	}
}

func TestHasDataset(t *testing.T) {
	t.Parallel()
	const aof = "appendonly yes\n"
	for name, test := range map[string]struct {
		conf   string
		files  map[string]string
		wanted bool
	}{
		"nothing":                                 {},
		"a snapshot":                              {files: map[string]string{"dump.rdb": "REDIS"}, wanted: true},
		"an empty snapshot":                       {files: map[string]string{"dump.rdb": ""}},
		"a snapshot of another name":              {conf: "dbfilename \"my.rdb\"\n", files: map[string]string{"my.rdb": "R"}, wanted: true},
		"a snapshot that is not looked at":        {conf: aof, files: map[string]string{"dump.rdb": "REDIS"}},
		"append-only files":                       {conf: aof, files: map[string]string{"appendonlydir/appendonly.aof.1.incr.aof": "*"}, wanted: true},
		"append-only files that are not complete": {conf: aof, files: map[string]string{"appendonlydir/temp-appendonly.aof.incr": "*"}},
		"append-only files that are ignored":      {files: map[string]string{"appendonlydir/appendonly.aof.1.incr.aof": "*"}},
		"a manifest alone":                        {conf: aof, files: map[string]string{"appendonlydir/appendonly.aof.manifest": "file x"}},
		"an append-only file of Redis 6":          {conf: aof, files: map[string]string{"appendonly.aof": "*"}, wanted: true},
		"append-only files of another name": {
			conf: aof + "appenddirname aof\n", files: map[string]string{"aof/x.base.rdb": "R"}, wanted: true,
		},
	} {
		dir := t.TempDir()
		for file, content := range test.files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := hasDataset(test.conf, dir); got != test.wanted {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Only a server that knows the subcommand finds it in its users.acl: others would not start.
func TestRenderACL_ByVersion(t *testing.T) {
	t.Parallel()
	for text, wanted := range map[string]bool{
		"Valkey server v=9.1.2 sha=00000000:0 malloc=jemalloc-5.3.1 bits=64 build=9108e8f1788612b": true,
		"Valkey server v=10.0.0 sha=0":           true,
		"Valkey server v=8.1.1 sha=0":            false,
		"Redis server v=8.6.3 sha=0":             false,
		"Redis server v=9.0.0 sha=0":             false,
		"Redis server v=7.0.15 sha=0":            false,
		"":                                       false,
		"Valkey server v=x":                      false,
		"Valkey server v=99999999999999999999.1": false,
	} {
		got := renderACL(passwords{Default: "foo"}, parseVersion(text), nil)
		if strings.Contains(got, "syncslots") != wanted {
			t.Errorf("%q:\n%s", text, got)
		}
	}
}
