package plan

import "github.com/redisoperator/redis-operator/pkg/cluster"

// Left is the slots that are still to move until every shard has its share, each once; known is false while that
// cannot be said: a node is away, a slot is half way, or a shard is not there yet.
func Left(w Wanted, v cluster.View) (left []cluster.Transfer, known bool) {
	if !w.ZoneAware {
		v = v.WithoutZones()
	}
	v = v.Studied()
	if n := len(shards(w, v)); n == 0 || n < w.Primaries || !steady(v) {
		return nil, false
	}
	return planned(w, v), true
}
