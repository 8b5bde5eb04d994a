package v1

// SetDefaults fills what the CRD's schema would have filled, so that an object that did not pass
// through it (a file given to the plugin, a test) means the same.
func SetDefaults(rc *RedisCluster) {
	s := &rc.Spec
	setDefault(&s.NumberOfMaster, DefaultNumberOfMaster)
	setDefault(&s.ReplicationFactor, DefaultReplicationFactor)
	setDefault(&s.Memory.MaxmemoryPercent, DefaultMaxmemoryPercent)
	setDefault(&s.Placement.ZoneAware, true)
	setDefault(&s.Disruption.PodDisruptionBudget, true)
	if s.Storage.Type == "" {
		s.Storage.Type = StorageEphemeral
	}
	if s.Storage.Retention == "" {
		s.Storage.Retention = RetentionRetain
	}
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
