package objects

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// NewConfigMap holds redis.conf as far as it is the same for every pod: the operator's settings, then the user's. The
// agent adds the lines of its pod after them, which win.
func NewConfigMap(rc *redisv1.RedisCluster) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: owned(rc, rc.ConfigMapName()),
		Data:       map[string]string{KeyRedisConf: redisConf(rc)},
	}
}

// crashRestart tells the agents that a primary whose process has died starts again, and no replica takes over. It is a
// line of redis.conf, a comment to redis: pods that run have no other file that changes under them, and take no
// notice of a new one (pkg/redisnode/conf.go).
const crashRestart = "# redisnode: crash Restart\n"

// directive is one line of redis.conf. The value is written as it is.
type directive struct{ name, value string }

// redisConf is the same text for the same spec.
func redisConf(rc *redisv1.RedisCluster) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by redis-operator from RedisCluster %s/%s; changes here are undone.\n", rc.Namespace, rc.Name)
	if rc.Spec.Recovery.Crash == redisv1.CrashRestart {
		b.WriteString(crashRestart)
	}
	for _, d := range ownDirectives(rc, MemoryLimit(rc)) {
		fmt.Fprintf(&b, "%s %s\n", d.name, d.value)
	}
	if len(rc.Spec.Config) > 0 {
		b.WriteString("\n# spec.config\n")
	}
	for _, name := range slices.Sorted(maps.Keys(rc.Spec.Config)) {
		fmt.Fprintf(&b, "%s %s\n", name, confValue(name, string(rc.Spec.Config[name])))
	}
	return b.String()
}

// ownDirectives are the operator's, with this memory limit of the container redis. A directive that the user sets
// replaces the operator's and does not follow it, because some, such as save, add up.
func ownDirectives(rc *redisv1.RedisCluster, limit int64) []directive {
	all := slices.Concat(clusterDirectives(), memoryDirectives(rc, limit), persistenceDirectives(rc))
	return slices.DeleteFunc(all, func(d directive) bool {
		_, set := rc.Spec.Config[d.name]
		return set
	})
}

// The node-timeout, in milliseconds, when the user sets none.
const defaultNodeTimeout = 15000

// NodeTimeout is how long a node of the cluster is silent until the others suspect it.
func NodeTimeout(rc *redisv1.RedisCluster) time.Duration {
	millis := defaultNodeTimeout
	if set, ok := rc.Spec.Config["cluster-node-timeout"]; ok {
		if n, err := strconv.Atoi(string(set)); err == nil {
			millis = n
		}
	}
	return time.Duration(millis) * time.Millisecond
}

func clusterDirectives() []directive {
	return []directive{
		{"cluster-enabled", "yes"},
		{"cluster-node-timeout", strconv.Itoa(defaultNodeTimeout)},
		// The shards that are whole go on serving when one is not.
		{"cluster-require-full-coverage", "no"},
		// Who follows whom is decided by the operator, from where the pods run. Redis does not know that.
		{"cluster-allow-replica-migration", "no"},
		// A full synchronisation does not need the disk, and does not wait for more replicas than the one that asks.
		{"repl-diskless-sync", "yes"},
		{"repl-diskless-sync-delay", "0"},
		// A replica that drops 50 GB before it loads them again must answer the cluster bus meanwhile.
		{"replica-lazy-flush", "yes"},
		// Where nothing is kept, a snapshot that a replica was sent is not: it would be started with, long after.
		{"rdb-del-sync-files", "yes"},
		{"enable-protected-configs", "no"},
		{"enable-debug-command", "no"},
		{"enable-module-command", "no"},
	}
}
