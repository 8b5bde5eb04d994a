package cluster_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

func TestSameValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, a, b string
		same       bool
	}{
		{"maxmemory", "100mb", "104857600", true},
		{"maxmemory", "100m", "100000000", true},
		{"maxmemory", "100m", "100mb", false},
		{"maxmemory", "1GB", "1gb", true},
		{"maxmemory", "9223372036854775807gb", "1", false},
		{"maxmemory-clients", "5%", "5%", true},
		{"maxmemory-clients", "5%", "5", false},
		{"appendonly", "YES", "yes", true},
		{"maxmemory-policy", "AllKeys-LRU", "allkeys-lru", true},
		{"save", "", "", true},
		{"save", "", "900 1", false},
		{"save", "60 1000 900 1", "900 1 60 1000", true},
		{"save", "60 1000 900 1", "900 60 1 1000", false},
		{"notify-keyspace-events", "KEA", "AKE", true},
		{"notify-keyspace-events", "KEg$lshzxetd", "AKE", true},
		{"notify-keyspace-events", "KE", "Ke", false},
		{"client-output-buffer-limit", "replica 256mb 64mb 60 normal 0 0 0", "normal 0 0 0 slave 268435456 67108864 60", true},
		{"client-output-buffer-limit", "replica 256mb 64mb 60", "replica 256mb 64mb 61", false},
		{"shutdown-on-sigterm", "nosave force", "force nosave", true},
		{"latency-tracking-info-percentiles", "50 99 99.9", "50.0 99 99.90", true},
		{"oom-score-adj-values", "0 200 800", "200 0 800", false},
		{"proc-title-template", "{Title}", "{title}", false},
		{"tls-cert-file", "/A", "/a", false},
	} {
		if got := cluster.SameValue(tc.name, tc.a, tc.b); got != tc.same {
			t.Errorf("%s: %q and %q are the same: %v", tc.name, tc.a, tc.b, got)
		}
		if got := cluster.SameValue(tc.name, tc.b, tc.a); got != tc.same {
			t.Errorf("%s: %q and %q are the same: %v", tc.name, tc.b, tc.a, got)
		}
	}
}

func TestDrifts(t *testing.T) {
	t.Parallel()
	type values = map[string]string
	for name, tc := range map[string]struct {
		live     values
		wanted   []cluster.Setting
		defaults values
		want     []cluster.Drift
	}{
		"nothing is wanted, and nothing is known": {live: values{"hz": "20"}},
		"what is wanted is there in other words": {
			live: values{"maxmemory": "104857600"}, wanted: []cluster.Setting{{Name: "maxmemory", Value: "100mb"}},
		},
		"what is wanted is not there": {
			live: values{"hz": "10"}, wanted: []cluster.Setting{{Name: "hz", Value: "20"}},
			want: []cluster.Drift{{Name: "hz", Has: "10", Want: "20"}},
		},
		"the server does not know it": {
			live: values{}, wanted: []cluster.Setting{{Name: "no-such", Value: "1"}},
			want: []cluster.Drift{{Name: "no-such", Want: "1"}},
		},
		"what is not wanted goes back": {
			live: values{"hz": "20", "timeout": "0"}, defaults: values{"hz": "10", "timeout": "0"},
			want: []cluster.Drift{{Name: "hz", Has: "20", Want: "10"}},
		},
		"an older name is the same directive": {
			live: values{"slave-priority": "50", "replica-priority": "50"}, wanted: []cluster.Setting{{Name: "slave-priority", Value: "50"}},
			defaults: values{"slave-priority": "100", "replica-priority": "100"},
		},
		"it goes back once, under its newer name": {
			live:     values{"slave-priority": "50", "replica-priority": "50"},
			defaults: values{"slave-priority": "100", "replica-priority": "100"},
			want:     []cluster.Drift{{Name: "replica-priority", Has: "50", Want: "100"}},
		},
		"classes of clients that are not named are as by themselves": {
			live:   values{"client-output-buffer-limit": "normal 1 1 1 slave 1048576 0 0 pubsub 5 5 5"},
			wanted: []cluster.Setting{{Name: "client-output-buffer-limit", Value: "replica 1mb 0 0"}},
			defaults: values{
				"client-output-buffer-limit": "normal 0 0 0 slave 2 2 2 pubsub 5 5 5",
			},
			want: []cluster.Drift{{
				Name: "client-output-buffer-limit", Has: "normal 1 1 1 slave 1048576 0 0 pubsub 5 5 5",
				Want: "replica 1mb 0 0 normal 0 0 0 pubsub 5 5 5",
			}},
		},
	} {
		if got := cluster.Drifts(tc.live, tc.wanted, tc.defaults); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

// Whatever a spec says: once the drifts are set there are none, and none are found twice.
func TestDrifts_SetOnceIsSet(t *testing.T) {
	t.Parallel()
	names := []string{"hz", "timeout", "maxmemory", "slave-priority", "replica-priority", "save"}
	value := rapid.SampledFrom([]string{"1", "2", "1kb", "1024", "10 5"})
	rapid.Check(t, func(t *rapid.T) {
		live, defaults := map[string]string{}, map[string]string{}
		for _, name := range names {
			live[name], defaults[name] = value.Draw(t, "live"), value.Draw(t, "default")
		}
		var wanted []cluster.Setting
		for _, name := range names[:rapid.IntRange(0, 4).Draw(t, "wanted")] {
			wanted = append(wanted, cluster.Setting{Name: name, Value: value.Draw(t, name)})
		}
		for _, d := range cluster.Drifts(live, wanted, defaults) {
			live[d.Name] = d.Want
			if d.Name == "replica-priority" || d.Name == "slave-priority" { // one directive
				live["slave-priority"], live["replica-priority"] = d.Want, d.Want
			}
		}
		if again := cluster.Drifts(live, wanted, defaults); len(again) > 0 {
			t.Fatalf("%v is left of %v: %+v", live, wanted, again)
		}
	})
}
