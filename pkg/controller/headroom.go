package controller

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// copiedShare is the part of maxmemory that is reckoned for pages that are written, and so copied, while a child of
// redis reads the data: a snapshot, a full synchronisation. It is the least, with few writes; all of it is the most.
const copiedShare = 10

// noHeadroom says why the kernel may end redis although it keeps to maxmemory: what is left of the memory limit of its
// container is too little for the buffers of replicas, and for pages that are copied while a snapshot or a full
// synchronisation is made. "" when there is room, or no limit.
func noHeadroom(rc *redisv1.RedisCluster) string {
	limit := objects.MemoryLimit(rc)
	if limit <= 0 {
		return ""
	}
	field, maxmemory := "spec.memory.maxmemoryPercent", objects.Maxmemory(rc, limit)
	if set, ok := rc.Spec.Config["maxmemory"]; ok {
		bytes, known := cluster.Bytes(string(set))
		if !known {
			return "" // the servers refuse it
		}
		field, maxmemory = "spec.config[maxmemory]", bytes
	}
	if maxmemory <= 0 {
		return fmt.Sprintf("spec.config[maxmemory] is 0: nothing keeps redis from filling the %s of container redis, where "+
			"the kernel ends it", inWords(limit))
	}
	buffers, copied := buffersOf(rc, max(0, limit-maxmemory)), maxmemory/copiedShare
	if maxmemory+buffers+copied <= limit {
		return ""
	}
	return fmt.Sprintf("%s: maxmemory of %s leaves %s of the limit of container redis (%s); buffers of replicas may take "+
		"%s, and a snapshot or a full synchronisation copies %s and more: the kernel may end redis",
		field, inWords(maxmemory), inWords(max(0, limit-maxmemory)), inWords(limit), inWords(buffers), inWords(copied))
}

// buffersOf is what the buffers of replicas may take: what the user says, or half of what is left.
func buffersOf(rc *redisv1.RedisCluster, left int64) int64 {
	set, ok := rc.Spec.Config["client-output-buffer-limit"]
	if !ok {
		return left / 2
	}
	limits := strings.Fields(string(set))
	for i := 0; i+3 < len(limits); i += 4 {
		if class := strings.ToLower(limits[i]); class == "replica" || class == "slave" {
			bytes, _ := cluster.Bytes(limits[i+1])
			return cmp.Or(bytes, left) // 0: without a limit
		}
	}
	return serverBuffers
}

// serverBuffers is what servers let the buffers of replicas take when nobody says anything about replicas.
const serverBuffers = 256 << 20

// inWords is a size as people write it in a spec: 192Mi.
func inWords(bytes int64) string {
	return resource.NewQuantity(bytes>>20<<20, resource.BinarySI).String()
}
