package redisnode

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/clock"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// bare is a server of an engine, and what it runs with by itself.
type bare struct {
	t        *testing.T
	server   *redistest.Server
	clients  *redis.Clients
	defaults map[string]string
}

// onEngines runs a test with a server of every engine, started with these lines.
func onEngines(t *testing.T, config []string, test func(t *testing.T, b *bare)) {
	t.Helper()
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			dir := shortDir(t)
			learnDefaults(t.Context(), dir, Command{Path: engine.Server}, "of a test", clock.RealClock{})
			b := &bare{t: t, clients: redis.NewClients(redis.Dialer{}), defaults: readDefaults(dir).Settings}
			t.Cleanup(b.clients.Close)
			if len(b.defaults) < 100 {
				t.Fatalf("the server says only %d of its defaults", len(b.defaults))
			}
			b.server = redistest.Start(t, redistest.Options{
				Engine: engine,
				// What redistest has its own of, as the servers have it.
				Config: append([]string{"repl-diskless-sync-delay 5", "cluster-node-timeout 15000"}, config...),
			})
			maps.DeleteFunc(b.defaults, func(name, _ string) bool { return redisv1.Reserved(name) })
			test(t, b)
		})
	}
}

// live is what the server runs with.
func (b *bare) live() map[string]string {
	b.t.Helper()
	live, err := b.clients.Settings(b.t.Context(), b.server.UnixEndpoint())
	must(b.t, err)
	maps.DeleteFunc(live, func(name, _ string) bool { return redisv1.Reserved(name) })
	return live
}

// apply sets what is not as wanted, as the operator does, and says how many directives that were.
func (b *bare) apply(wanted []cluster.Setting) int {
	b.t.Helper()
	var settings []redis.Setting
	for _, d := range cluster.Drifts(b.live(), wanted, b.defaults) {
		settings = append(settings, redis.Setting{Name: d.Name, Value: d.Want})
	}
	must(b.t, b.clients.Configure(b.t.Context(), b.server.UnixEndpoint(), settings))
	return len(settings)
}

func (b *bare) hasDrifts(what string, wanted []cluster.Setting) {
	b.t.Helper()
	if drifts := cluster.Drifts(b.live(), wanted, b.defaults); len(drifts) > 0 {
		b.t.Errorf("%s: %+v", what, drifts)
	}
}

// oddly are values in other words than servers use.
var oddly = map[string]redisv1.ConfigValue{
	"maxmemory": "100mb", "maxmemory-policy": "AllKeys-LRU", "appendonly": "NO",
	"notify-keyspace-events": "KEA", "save": " 60 1000  900 1 ", "client-output-buffer-limit": "slave 512mb 128mb 30",
	"oom-score-adj-values": "10  20 30", "latency-tracking-info-percentiles": "50.0 99.00", "hz": "20",
	"repl-backlog-size": "2m", "shutdown-on-sigterm": "now  nosave", "hash-max-ziplist-entries": "100",
	"slave-priority": "50", "proc-title-template": "{title} {listen-addr}", "maxmemory-clients": "5%",
	"lua-time-limit": "6000", "cluster-allow-reads-when-down": "Yes",
}

func specOf(config map[string]redisv1.ConfigValue) *redisv1.RedisCluster {
	rc := &redisv1.RedisCluster{}
	rc.Spec.Config = config
	rc.Spec.PodTemplate.Spec.Containers = []corev1.Container{{Name: redisv1.ContainerRedis}}
	redisv1.SetDefaults(rc)
	return rc
}

// userSettings are those of a spec that are not the operator's own.
func userSettings(config map[string]redisv1.ConfigValue) []cluster.Setting {
	var all []cluster.Setting
	for _, d := range objects.Directives(specOf(config)) {
		if _, set := config[d.Name]; set {
			all = append(all, cluster.Setting(d))
		}
	}
	return all
}

// A value means the same to a server that reads it from its file, to one that is told it while it runs, and to us.
func TestSettings_SameFromFileAndLive(t *testing.T) {
	t.Parallel()
	var lines []string
	_, conf, _ := strings.Cut(objects.NewConfigMap(specOf(oddly)).Data[objects.KeyRedisConf], "# spec.config")
	for line := range strings.Lines(conf) {
		lines = append(lines, strings.TrimSpace(line))
	}
	onEngines(t, lines, func(t *testing.T, b *bare) {
		wanted := userSettings(oddly)
		b.hasDrifts("started with it", wanted)
		fromFile := b.live()
		if b.apply(nil) == 0 {
			t.Error("nothing was taken back")
		}
		b.hasDrifts("taken back", nil)
		b.apply(wanted)
		b.hasDrifts("set live", wanted)
		if live := b.live(); !maps.Equal(live, fromFile) {
			t.Errorf("from its file the server has %v\nset live it has %v", fromFile, live)
		}
	})
}

// Whatever directive is set, nothing else is found to be changed by it, and what is taken back is as it was: under all
// of its names.
func TestSettings_EveryDirectiveThereAndBack(t *testing.T) {
	t.Parallel()
	onEngines(t, []string{"save 3600 1 300 100 60 10000"}, func(t *testing.T, b *bare) {
		before := b.live()
		b.hasDrifts("untouched", nil)
		changed := 0
		for name, value := range before {
			other, ok := another(value)
			if !ok || name == "maxclients" || strings.HasPrefix(name, "tls-") {
				continue
			}
			wanted := []cluster.Setting{{Name: name, Value: other}}
			ep := b.server.UnixEndpoint()
			if b.clients.Configure(t.Context(), ep, []redis.Setting{{Name: name, Value: other}}) != nil {
				continue // only at the start, or out of range
			}
			changed++
			b.hasDrifts(name+" "+other, wanted)
			if b.apply(nil) == 0 {
				t.Errorf("%s %s: nothing to be taken back", name, other)
			}
			if after := b.live(); !maps.Equal(after, before) {
				t.Fatalf("%s %s, and back: %v\nbefore: %v", name, other, after, before)
			}
		}
		if changed < 80 {
			t.Errorf("only %d directives could be changed", changed)
		}
	})
}

// another is a value that a directive might have as well.
func another(value string) (string, bool) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return strconv.FormatInt(n+1, 10), true
	}
	switch value {
	case "yes":
		return "no", true
	case "no":
		return "yes", true
	}
	return "", false
}

// What a server says to a setting that it does not take is told apart: only at the start, or never.
func TestSettings_Refused(t *testing.T) {
	t.Parallel()
	onEngines(t, nil, func(t *testing.T, b *bare) {
		before := b.live()
		for name, tc := range map[string]struct {
			settings []redis.Setting
			named    string
			want     error
		}{
			"only at the start": {[]redis.Setting{{Name: "databases", Value: "32"}}, "databases", redis.ErrImmutable},
			"one of two only at the start": {
				[]redis.Setting{{Name: "hz", Value: "20"}, {Name: "databases", Value: "32"}}, "databases", redis.ErrImmutable,
			},
			"unknown": {[]redis.Setting{{Name: "no-such", Value: "1"}}, "no-such", redis.ErrRefusedSetting},
			"one of two unknown": {
				[]redis.Setting{{Name: "hz", Value: "20"}, {Name: "no-such", Value: "1"}}, "no-such", redis.ErrRefusedSetting,
			},
			"a typo": {[]redis.Setting{{Name: "maxmemory", Value: "1gx"}}, "maxmemory", redis.ErrRefusedSetting},
			"one of two a typo": {
				[]redis.Setting{{Name: "hz", Value: "20"}, {Name: "maxmemory-policy", Value: "lru"}},
				"maxmemory-policy",
				redis.ErrRefusedSetting,
			},
		} {
			err := b.clients.Configure(t.Context(), b.server.UnixEndpoint(), tc.settings)
			no, said := errors.AsType[*redis.SettingError](err)
			if !said || no.Name != tc.named || !errors.Is(err, tc.want) {
				t.Errorf("%s: %v (%+v), want %v of %s", name, err, no, tc.want, tc.named)
			}
		}
		if after := b.live(); !maps.Equal(after, before) {
			t.Errorf("what was refused has changed something: %v, before %v", after, before)
		}
	})
}

// What the operator sets by itself every server takes while it runs, or is among what is not compared: a new operator with
// other settings of its own replaces nobody's pods.
func TestSettings_OursNeedNoRestart(t *testing.T) {
	t.Parallel()
	ours := map[string]string{}
	for _, storage := range []redisv1.StorageSpec{
		{Type: redisv1.StorageEphemeral},
		{Type: redisv1.StoragePersistent},
		{Type: redisv1.StoragePersistent, Persistence: redisv1.PersistenceRDB},
	} {
		rc := specOf(nil)
		rc.Spec.Storage = storage
		rc.Spec.PodTemplate.Spec.Containers[0].Resources.Limits = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse("256Mi"),
		}
		for _, d := range objects.Directives(rc) {
			if !redisv1.Reserved(d.Name) {
				ours[d.Name] = d.Value
			}
		}
	}
	if len(ours) < 10 {
		t.Fatalf("only %v", ours)
	}
	onEngines(t, nil, func(t *testing.T, b *bare) {
		for name, value := range ours {
			settings := []redis.Setting{{Name: name, Value: value}}
			if err := b.clients.Configure(t.Context(), b.server.UnixEndpoint(), settings); err != nil {
				t.Error(err)
			}
		}
	})
}

// A node that was started as in a pod runs with what the spec says and nothing else, by its agent's word of what it was
// started with and what it has by itself: nothing is left for the operator to set.
func TestSettings_OfANodeInItsPod(t *testing.T) {
	rc := specOf(map[string]redisv1.ConfigValue{"maxmemory": "64mb", "save": "900 1", "notify-keyspace-events": "KEA"})
	conf := objects.NewConfigMap(rc).Data[objects.KeyRedisConf]
	w := newWorld(t, conf)
	pods := w.form(3, 0)
	var wanted []cluster.Setting
	for _, d := range objects.Directives(rc) {
		if !redisv1.Reserved(d.Name) {
			wanted = append(wanted, cluster.Setting(d))
		}
	}
	for _, p := range pods {
		launch, err := w.agents.Launch(t.Context(), p.ip)
		must(t, err)
		if launch.PodUID != p.uid || !slices.Equal(objects.ParseConf(launch.Conf), objects.ParseConf(conf)) ||
			strings.Contains(launch.Conf, "kanari") {
			t.Errorf("%s says that it was started with\n%s", p.name, launch.Conf)
		}
		live, err := w.redis.Settings(t.Context(), p.endpoint())
		must(t, err)
		for _, values := range []map[string]string{live, launch.Defaults} {
			maps.DeleteFunc(values, func(name, _ string) bool { return redisv1.Reserved(name) })
		}
		eventually(t, p.name+" has its node-timeout", func() (bool, string) {
			has, failed := w.redis.ConfigGet(t.Context(), p.endpoint(), nodeTimeoutSetting)
			return has[nodeTimeoutSetting] == "15000", fmt.Sprint(has, failed)
		})
		live[nodeTimeoutSetting] = "15000"
		if drifts := cluster.Drifts(live, wanted, launch.Defaults); len(drifts) > 0 || len(launch.Defaults) < 100 {
			t.Errorf("%s: %+v, with %d defaults", p.name, drifts, len(launch.Defaults))
		}
	}
}
