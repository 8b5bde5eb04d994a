package v1

import "k8s.io/apimachinery/pkg/api/resource"

// SetDefaults fills what the CRD's schema would have filled, so that an object that did not pass
// through it (a file given to the plugin, a test) means the same.
func SetDefaults(rc *RedisCluster) {
	s := &rc.Spec
	setDefault(&s.NumberOfMaster, DefaultNumberOfMaster)
	setDefault(&s.ReplicationFactor, DefaultReplicationFactor)
	setDefault(&s.Placement.ZoneAware, true)
	setDefault(&s.Placement.Failback, true)
	setDefault(&s.Disruption.PodDisruptionBudget, true)
	setWord(&s.Storage.Type, StorageEphemeral)
	setWord(&s.Storage.Retention, RetentionRetain)
	setWord(&s.Update.Strategy, UpdateAutomatic)
	setDefault(&s.Update.MaxUnavailable, DefaultMaxUnavailable)
	setWord(&s.Update.Redisnode, RedisnodeAutomatic)
	setWord(&s.Recovery.Crash, CrashTakeOver)
	setWord(&s.Recovery.LostShard, LostShardManual)
	setWord(&s.Recovery.Quorum, QuorumAutomatic)
	m := &s.Migration
	setWord(&m.Balance, BalanceSlots)
	setWord(&m.Engine, EngineAuto)
	setWord(&m.Profile, ProfileLatency)
	setDefault(&m.MaxBatchMillis, DefaultMaxBatchMillis)
	setDefault(&m.Parallelism, DefaultParallelism)
	setDefault(&m.MaxKeyBytes, resource.MustParse(DefaultMaxKeyBytes))
}

func setWord[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
