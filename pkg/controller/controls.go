package controller

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// PodControl creates and deletes pods. All of it is safe to repeat.
type PodControl interface {
	Create(ctx context.Context, rc *redisv1.RedisCluster, pod *corev1.Pod) error
	// Adopt gives a pod of the cluster the labels back that somebody has taken away.
	Adopt(ctx context.Context, rc *redisv1.RedisCluster, pod *corev1.Pod) error
	// SetImages changes images in a running pod.
	SetImages(ctx context.Context, rc *redisv1.RedisCluster, pod *corev1.Pod) error
	// Resize has the kubelet of a running pod give it other resources. What the API server does not take is
	// kube.ErrNotResizable.
	Resize(ctx context.Context, rc *redisv1.RedisCluster, pod *corev1.Pod, ok func(*corev1.Pod) error) error
	Delete(ctx context.Context, rc *redisv1.RedisCluster, name string, uid types.UID, ok func(*corev1.Pod) error) error
	// DeleteLost deletes a pod whose host is gone for good.
	DeleteLost(ctx context.Context, rc *redisv1.RedisCluster, name string, uid types.UID) error
	// HostGone says whether a Kubernetes node is gone for good.
	HostGone(ctx context.Context, host string) (bool, error)
}

// ObjectControl keeps objects as they are wanted, and writes nothing when they are.
type ObjectControl interface {
	Ensure(ctx context.Context, rc *redisv1.RedisCluster, wanted kube.Object, cached kube.Getter) error
	Remove(ctx context.Context, rc *redisv1.RedisCluster, unwanted kube.Object, cached kube.Getter) error
	// Grow has a bound volume claim ask for this size. What the API server refuses is a *kube.GrowthError.
	Grow(
		ctx context.Context, rc *redisv1.RedisCluster, claim *corev1.PersistentVolumeClaim, size resource.Quantity,
	) error
	// DeleteClaim deletes exactly this claim, once first has deleted what uses it.
	DeleteClaim(
		ctx context.Context, rc *redisv1.RedisCluster, claim *corev1.PersistentVolumeClaim, first func() error,
	) error
}

// RevisionControl keeps the history of a cluster.
type RevisionControl interface {
	Keep(ctx context.Context, rc *redisv1.RedisCluster, wanted *appsv1.ControllerRevision,
		cached []*appsv1.ControllerRevision, limit int) error
}

// SecretControl makes and reads Secrets.
type SecretControl interface {
	Ensure(ctx context.Context, rc *redisv1.RedisCluster, name string, renew kube.Renewal,
		generate kube.Generate) (*corev1.Secret, error)
	Require(ctx context.Context, rc *redisv1.RedisCluster, name, key string) ([]byte, error)
}

// StatusUpdater writes a status when it differs, and says what the API server has by then.
type StatusUpdater interface {
	Update(
		ctx context.Context, rc *redisv1.RedisCluster, status redisv1.RedisClusterStatus,
	) (*redisv1.RedisCluster, error)
}

// Events tells a cluster's story.
type Events interface {
	Step(rc *redisv1.RedisCluster, reason, message string)
	Warning(rc *redisv1.RedisCluster, reason, message string)
	// Pod records an event of a pod of the cluster.
	Pod(rc *redisv1.RedisCluster, name, uid, reason, message string)
	Conditions(rc *redisv1.RedisCluster, status redisv1.RedisClusterStatus)
}

// RedisControl observes nodes and sends them commands. All of them are safe to repeat.
type RedisControl interface {
	ObserveAll(ctx context.Context, eps []redis.Endpoint) []redis.Observation
	Meet(ctx context.Context, ep redis.Endpoint, peers []redis.Peer) error
	AddSlots(ctx context.Context, ep redis.Endpoint, epoch uint64, slots cluster.SlotSet) error
	Replicate(ctx context.Context, ep redis.Endpoint, primary cluster.NodeID) error
	Forget(ctx context.Context, ep redis.Endpoint, ids []cluster.NodeID, givenUp cluster.SlotSet) error
	Failover(ctx context.Context, ep redis.Endpoint, mode redis.FailoverMode) error
}

// SlotControl moves slots between nodes, and tells how much is in them. What was cut is gone on with when it is asked
// for again.
type SlotControl interface {
	MoveSlots(ctx context.Context, moves []redis.SlotMove, o redis.MoveOptions) ([]redis.Moved, error)
	UndoMoves(ctx context.Context, moves []redis.SlotMove, o redis.MoveOptions) ([]redis.Moved, error)
	ClearSlots(ctx context.Context, ep redis.Endpoint, slots cluster.SlotSet, owner cluster.NodeID) error
	CancelTasks(ctx context.Context, ep redis.Endpoint, ids []string) error
	SlotLoads(ctx context.Context, ep redis.Endpoint, slots cluster.SlotSet) (map[cluster.Slot]redis.SlotLoad, error)
}

// SettingControl asks nodes what they run with, and sets it.
type SettingControl interface {
	Settings(ctx context.Context, ep redis.Endpoint) (map[string]string, error)
	Configure(ctx context.Context, ep redis.Endpoint, settings []redis.Setting) error
	// Snapshot says whether a node has written a snapshot just now. Where it has not, it is writing one.
	Snapshot(ctx context.Context, ep redis.Endpoint) (bool, error)
}

// AgentControl asks the agents of one cluster. An answer proves that the one who gave it belongs to it.
type AgentControl interface {
	Status(ctx context.Context, ip string) (agent.Status, error)
	// Launch is what redis was started with.
	Launch(ctx context.Context, ip string) (agent.Launch, error)
	Promote(ctx context.Context, ip string, r agent.PromoteRequest) error
	Reign(ctx context.Context, ip string, r agent.ReignRequest) error
	Close()
}

// ConnectAgents makes the AgentControl of the cluster with this authority and UID.
type ConnectAgents func(ca agent.CA, clusterUID string) (AgentControl, error)
