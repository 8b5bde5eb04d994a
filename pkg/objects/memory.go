package objects

import (
	"fmt"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

const (
	mebibyte = 1 << 20
	// The backlog is what a replica may miss without a full synchronisation. It is a share of the memory limit, so that
	// a small node has room for its data.
	backlogShare   = 64
	backlogDefault = 16 * mebibyte
	backlogMin     = 1 * mebibyte
	backlogMax     = 256 * mebibyte
)

// memoryDirectives share the memory limit of the container redis out: to the data, and what is left to the buffers of
// replicas and to copied pages, half and half. A replica that does not keep up is cut off before the kernel ends its
// primary: neither counts for maxmemory.
func memoryDirectives(rc *redisv1.RedisCluster, limit int64) []directive {
	if limit <= 0 {
		return []directive{{"repl-backlog-size", fmt.Sprint(backlogDefault)}}
	}
	backlog := min(max(limit/backlogShare, backlogMin), backlogMax)
	maxmemory := Maxmemory(rc, limit)
	buffers := max((limit-maxmemory)/2, backlog)
	return []directive{
		{"repl-backlog-size", fmt.Sprint(backlog)},
		{"maxmemory", fmt.Sprint(maxmemory)},
		{"client-output-buffer-limit", fmt.Sprintf("replica %d %d 60", buffers, buffers/2)},
	}
}

// Maxmemory is the part of a memory limit that spec.memory gives to the data.
func Maxmemory(rc *redisv1.RedisCluster, limit int64) int64 {
	percent := int64(redisv1.DefaultMaxmemoryPercent)
	if rc.Spec.Memory.MaxmemoryPercent != nil {
		percent = int64(*rc.Spec.Memory.MaxmemoryPercent)
	}
	return limit/100*percent + limit%100*percent/100 // divided first: a limit in exabytes must not overflow
}

// MemoryLimit is the memory limit of the container redis in bytes; 0 when it has none.
func MemoryLimit(rc *redisv1.RedisCluster) int64 {
	if redis := containerRedis(rc.Spec.PodTemplate.Spec.Containers); redis != nil {
		return redis.Resources.Limits.Memory().Value()
	}
	return 0
}
