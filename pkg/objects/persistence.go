package objects

import (
	"slices"
	"strings"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

func persistenceDirectives(rc *redisv1.RedisCluster) []directive {
	const never, often = `""`, "3600 1 300 100 60 10000"
	var directives []directive
	switch persistence(rc) {
	case redisv1.PersistenceNone:
		return []directive{{"save", never}, {"appendonly", "no"}}
	case redisv1.PersistenceRDB:
		return []directive{{"save", often}, {"appendonly", "no"}}
	case redisv1.PersistenceAOF:
		directives = []directive{{"save", never}, {"appendonly", "yes"}, {"appendfsync", "everysec"}}
	case redisv1.PersistenceBoth:
		directives = []directive{{"save", often}, {"appendonly", "yes"}, {"appendfsync", "everysec"}}
	}
	if appendonly, set := rc.Spec.Config["appendonly"]; !set || strings.EqualFold(string(appendonly), "yes") {
		// With the append-only file a snapshot at the end is never read, and writing one may take longer than a pod has
		// for its end.
		directives = append(directives, directive{"shutdown-on-sigterm", "nosave"})
	}
	return directives
}

// persistence is what nodes write; where the spec does not say, all that outlives a pod.
func persistence(rc *redisv1.RedisCluster) redisv1.Persistence {
	switch set := rc.Spec.Storage.Persistence; {
	case set != "":
		return set
	case rc.Spec.Storage.Type == redisv1.StoragePersistent:
		return redisv1.PersistenceBoth
	default:
		return redisv1.PersistenceNone
	}
}

// MakesSnapshots says that nodes write snapshots while they run.
func MakesSnapshots(rc *redisv1.RedisCluster) bool {
	return slices.ContainsFunc(Directives(rc), func(d Directive) bool { return d.Name == "save" && d.Value != "" })
}
