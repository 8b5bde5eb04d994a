package objects

import (
	"maps"
	"slices"
	"strings"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// Directive is a line of redis.conf, with its value as CONFIG SET takes it.
type Directive struct{ Name, Value string }

// Directives are what every node of the cluster is to run with: the operator's and the user's, as the ConfigMap has
// them. What differs from pod to pod is the agent's and not among them.
func Directives(rc *redisv1.RedisCluster) []Directive { return DirectivesWithin(rc, 0) }

// DirectivesWithin are what a node is to run with whose container has this memory limit at the moment; 0: none that is
// known. While that is less than the spec's, or the spec has none any more, maxmemory is a part of what there is: more
// would be the end of redis.
func DirectivesWithin(rc *redisv1.RedisCluster, present int64) []Directive {
	limit := MemoryLimit(rc)
	if present > 0 && (present < limit || limit <= 0) {
		limit = present
	}
	var all []Directive
	for _, d := range ownDirectives(rc, limit) {
		all = append(all, liveDirective(d.name, d.value))
	}
	for _, name := range slices.Sorted(maps.Keys(rc.Spec.Config)) {
		all = append(all, liveDirective(name, string(rc.Spec.Config[name])))
	}
	return all
}

// ParseConf reads the directives of a redis.conf that was made here.
func ParseConf(text string) []Directive {
	var all []Directive
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" && !strings.HasPrefix(name, "#") {
			all = append(all, liveDirective(name, value))
		}
	}
	return all
}

func liveDirective(name, value string) Directive {
	return Directive{Name: name, Value: strings.Join(arguments(value), " ")}
}
