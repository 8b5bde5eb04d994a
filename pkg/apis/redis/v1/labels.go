package v1

// Labels and annotations.
const (
	// LabelCluster names the RedisCluster an object belongs to.
	LabelCluster = "redisoperator.io/cluster"
	// LabelClusterUID is the UID of that RedisCluster: a namesake made later has another.
	LabelClusterUID = "redisoperator.io/cluster-uid"
	// LabelOrdinal is the number in a pod's name.
	LabelOrdinal = "redisoperator.io/ordinal"
	// LabelManagedBy and ManagedBy mark what the operator's informers watch.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "redis-operator"
	// AnnotationTemplateHash is the hash of what a pod was made from. A pod with another hash is out of date.
	// It is not there while the pod's resources change: then they are held against the spec.
	AnnotationTemplateHash = "redisoperator.io/template-hash"
	// AnnotationFixedHash is the hash of what a pod was made from, but for what can change while it runs: the memory and
	// processors of container redis.
	AnnotationFixedHash = "redisoperator.io/fixed-template-hash"
	// AnnotationRedisnodeImage is the image of the agent in a pod, as it was asked for.
	AnnotationRedisnodeImage = "redisoperator.io/redisnode-image"
	// AnnotationApprovedRevision is set by kubectl redis-cluster approve on a RedisCluster, to its status.update.revision:
	// masters may be replaced by pods of it although spec.update.strategy is Supervised.
	AnnotationApprovedRevision = "redisoperator.io/approved-revision"
	// AnnotationDryRun is set by users, to "true" on a RedisCluster: everything is planned, and nothing is done.
	AnnotationDryRun = "redisoperator.io/dry-run"
	// AnnotationGiveUpSlots is set by users, to slots like "0-5460,8000": these may be given out again, empty, when they
	// are lost with all their copies. It has no effect on slots of which a copy is left or may come back.
	AnnotationGiveUpSlots = "redisoperator.io/give-up-slots"
)

// ContainerRedis is the container that carries the user's Redis, in spec.podTemplate and in the pod.
const ContainerRedis = "redis"

// The defaults of the CRD's schema, for objects that did not pass through it.
const (
	DefaultNumberOfMaster    int32 = 3
	DefaultReplicationFactor int32 = 1
	DefaultMaxmemoryPercent  int32 = 75
	DefaultMaxUnavailable    int32 = 1
	DefaultMaxBatchMillis    int32 = 5
	DefaultMaxKeyBytes             = "64Mi"
	DefaultParallelism       int32 = 0
)
