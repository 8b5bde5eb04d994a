package objects

import (
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// lines is redis.conf as redis-server reads it: the arguments of each directive.
func lines(t interface{ Fatalf(string, ...any) }, rc *redisv1.RedisCluster) map[string][]string {
	all := map[string][]string{}
	for line := range strings.SplitSeq(NewConfigMap(rc).Data["redis.conf"], "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		args, ok := splitArgs(line)
		if !ok || len(args) < 2 {
			t.Fatalf("redis-server refuses the line %q", line)
		}
		if _, twice := all[args[0]]; twice {
			t.Fatalf("%s is set twice", args[0])
		}
		all[args[0]] = args[1:]
	}
	return all
}

func settings(config map[string]redisv1.ConfigValue) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.Config = config }
}

func memory(limit string, percent int32) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		rc.Spec.PodTemplate.Spec.Containers[0].Resources.Limits = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(limit),
		}
		rc.Spec.Memory.MaxmemoryPercent = &percent
	}
}

func TestRedisConf(t *testing.T) {
	t.Parallel()
	type edits = []func(*redisv1.RedisCluster)
	for name, tc := range map[string]struct {
		edits edits
		want  map[string]string // arguments joined by |; "-": not set
	}{
		"no limit, no maxmemory": {nil, map[string]string{"maxmemory": "-", "repl-backlog-size": "16777216"}},
		"three quarters of the limit": {
			edits{memory("1Gi", 75)}, map[string]string{"maxmemory": "805306368", "repl-backlog-size": "16777216"},
		},
		"a small node":     {edits{memory("32Mi", 50)}, map[string]string{"maxmemory": "16777216", "repl-backlog-size": "1048576"}},
		"a big node":       {edits{memory("64Gi", 75)}, map[string]string{"maxmemory": "51539607552", "repl-backlog-size": "268435456"}},
		"all of the limit": {edits{memory("1G", 100)}, map[string]string{"maxmemory": "1000000000"}},
		"no overflow":      {edits{memory("7Ei", 100)}, map[string]string{"maxmemory": "8070450532247928832"}},
		"half of what is left for buffers of replicas": {
			edits{memory("1Gi", 75)}, map[string]string{"client-output-buffer-limit": "replica|134217728|67108864|60"},
		},
		"the user's maxmemory wins":  {edits{memory("1Gi", 75), settings(map[string]redisv1.ConfigValue{"maxmemory": "10mb"})}, map[string]string{"maxmemory": "10mb"}},
		"ephemeral: nothing on disk": {nil, map[string]string{"save": "", "appendonly": "no", "shutdown-on-sigterm": "-"}},
		"persistent: append-only file and snapshots": {
			edits{persistent},
			map[string]string{"save": "3600|1|300|100|60|10000", "appendonly": "yes", "shutdown-on-sigterm": "nosave"},
		},
		"persistent with snapshots only ends with one": {
			edits{persistent, settings(map[string]redisv1.ConfigValue{"appendonly": "no"})},
			map[string]string{"appendonly": "no", "shutdown-on-sigterm": "-"},
		},
		"the append-only file alone": {
			edits{persistent, persists(redisv1.PersistenceAOF)},
			map[string]string{"save": "", "appendonly": "yes", "appendfsync": "everysec", "shutdown-on-sigterm": "nosave"},
		},
		"snapshots alone": {
			edits{persistent, persists(redisv1.PersistenceRDB)},
			map[string]string{"save": "3600|1|300|100|60|10000", "appendonly": "no", "appendfsync": "-", "shutdown-on-sigterm": "-"},
		},
		"snapshots alone, when the user says": {
			edits{persistent, persists(redisv1.PersistenceRDB), settings(map[string]redisv1.ConfigValue{"save": "900 1"})},
			map[string]string{"save": "900|1", "appendonly": "no"},
		},
		"nothing on a volume": {
			edits{persistent, persists(redisv1.PersistenceNone)},
			map[string]string{"save": "", "appendonly": "no", "shutdown-on-sigterm": "-"},
		},
		"both without a volume": {
			edits{persists(redisv1.PersistenceBoth)},
			map[string]string{"save": "3600|1|300|100|60|10000", "appendonly": "yes", "shutdown-on-sigterm": "nosave"},
		},
		"the user's snapshots replace the operator's": {
			edits{persistent, settings(map[string]redisv1.ConfigValue{"save": "900 1"})}, map[string]string{"save": "900|1"},
		},
		"no snapshots": {edits{persistent, settings(map[string]redisv1.ConfigValue{"save": `""`})}, map[string]string{"save": ""}},
		"no snapshots, said by nothing": {
			edits{persistent, settings(map[string]redisv1.ConfigValue{"save": ""})}, map[string]string{"save": ""},
		},
		"the user's cluster settings": {
			edits{settings(map[string]redisv1.ConfigValue{"cluster-require-full-coverage": "yes", "cluster-node-timeout": "5000"})},
			map[string]string{"cluster-require-full-coverage": "yes", "cluster-node-timeout": "5000", "cluster-enabled": "yes"},
		},
		"lists and quoted arguments": {
			edits{settings(map[string]redisv1.ConfigValue{
				"client-output-buffer-limit": "replica 256mb  64mb 60", "proc-title-template": `"{title} {port}"`,
				"tls-protocols": "TLSv1.2 TLSv1.3",
			})},
			map[string]string{
				"client-output-buffer-limit": "replica|256mb|64mb|60", "proc-title-template": "{title} {port}",
				"tls-protocols": "TLSv1.2 TLSv1.3",
			},
		},
		"an injected line": {
			edits{settings(map[string]redisv1.ConfigValue{"hz": "10\nrequirepass x"})},
			map[string]string{"hz": "10 requirepass x", "requirepass": "-"},
		},
		"an injected line within quotes": {
			edits{settings(map[string]redisv1.ConfigValue{"hz": "\"10\nrequirepass x"})},
			map[string]string{"hz": "\"10\nrequirepass x", "requirepass": "-"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := lines(t, cluster(tc.edits...))
			for directive, want := range tc.want {
				args, set := got[directive]
				if have := strings.Join(args, "|"); set != (want != "-") || set && have != want {
					t.Errorf("%s is %q (set: %v), want %q", directive, have, set, want)
				}
			}
		})
	}
}

// A primary that forks for a full synchronisation needs room beside its data: pages that are written meanwhile, the
// backlog, the buffers of its replicas.
func TestFault40_RoomForAFullSync(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"32Mi", "256Mi", "1Gi", "64Gi"} {
		conf, all := lines(t, cluster(memory(limit, redisv1.DefaultMaxmemoryPercent))), resource.MustParse(limit)
		var used int64
		for _, directive := range []string{"maxmemory", "repl-backlog-size"} {
			n, err := strconv.ParseInt(strings.Join(conf[directive], " "), 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", directive, err)
			}
			used += n
		}
		if room := all.Value() - used; room < all.Value()/5 {
			t.Errorf("%s: %d bytes are left beside data and backlog", limit, room)
		}
	}
}

// The agents read how to recover from a crash out of a comment of redis.conf: the line is the same in pkg/redisnode.
func TestRedisConf_Crash(t *testing.T) {
	t.Parallel()
	const line = "\n# redisnode: crash Restart\n"
	for crash, wanted := range map[redisv1.CrashRecovery]bool{
		"": false, redisv1.CrashTakeOver: false, redisv1.CrashRestart: true,
	} {
		rc := cluster(func(rc *redisv1.RedisCluster) { rc.Spec.Recovery.Crash = crash })
		lines(t, rc)
		if got := strings.Contains(redisConf(rc), line); got != wanted {
			t.Errorf("%q: %v", crash, got)
		}
	}
}

func TestSplitArgs(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{ // "!": refused
		``:                   ``,
		` `:                  ``,
		`a b`:                `a|b`,
		`""`:                 ``,
		`'' x`:               `|x`,
		`"a b" c`:            `a b|c`,
		`'a b' c`:            `a b|c`,
		`a"b c"`:             `ab c`,
		`"\x41\n\"\\\q"`:     "A\n\"\\q",
		`"\x4"`:              `x4`,
		`'it\'s \n'`:         `it's \n`,
		`C:\dir`:             `C:\dir`,
		`"a"b`:               `!`,
		`'a'b`:               `!`,
		`it's`:               `!`,
		`"`:                  `!`,
		`"a\`:                `!`,
		"a\tb\r\nc":          `a|b|c`,
		"a\x00b":             `!`,
		`{title} # comment?`: `{title}|#|comment?`,
	} {
		args, ok := splitArgs(line)
		got := strings.Join(args, "|")
		if !ok {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// Whatever a value is, it stays on its line, and what redis-server reads is what was meant.
func TestConfValueProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringMatching(`["' \\xna0-9\n\r\t{}]*`)).Draw(t, "value")
		name := rapid.SampledFrom([]string{"save", "hz"}).Draw(t, "name")
		written := confValue(name, value)
		if strings.ContainsAny(written, "\n\r\x00") {
			t.Fatalf("%q leaves its line: %q", value, written)
		}
		got, ok := splitArgs(written)
		if !ok || len(got) == 0 {
			t.Fatalf("%q: redis-server refuses %q", value, written)
		}
		want, ok := splitArgs(value)
		switch {
		case !ok:
			want = []string{value}
		case len(want) == 0:
			want = []string{""}
		}
		if name == "hz" {
			want = []string{strings.Join(want, " ")}
		}
		if live := liveDirective(name, value).Value; live != strings.Join(want, " ") {
			t.Fatalf("%q: set live as %q, want %q", value, live, want)
		}
		if strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Fatalf("%q: redis-server reads %q, want %q", value, got, want)
		}
	})
}
