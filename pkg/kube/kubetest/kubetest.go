// Package kubetest has stand-ins for the controls of pkg/kube, for the tests of what uses them. They record what they
// were asked to do, and answer with the error that the test sets.
package kubetest

import (
	"context"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/kube"
)

// log is a list that several workers write.
type log struct {
	mu      sync.Mutex
	entries []string
}

func (l *log) add(entry string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry)
}

// Take returns what was recorded since it was last called, sorted: workers have no order.
func (l *log) Take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := l.entries
	l.entries = nil
	slices.Sort(entries)
	return entries
}

// PodControl records "create NAME" and "delete NAME".
type PodControl struct {
	log
	// Err is the answer to everything.
	Err error
	// Live is the pod that Delete shows to the caller's check; without one it shows a pod that has only a name and a UID.
	Live func(name string) *corev1.Pod
}

// Create records the creation.
func (c *PodControl) Create(_ context.Context, _ *redisv1.RedisCluster, pod *corev1.Pod) error {
	c.add("create " + pod.Name)
	return c.Err
}

// Delete asks ok, and records the deletion when it agrees.
func (c *PodControl) Delete(
	_ context.Context, rc *redisv1.RedisCluster, name string, uid types.UID, ok func(*corev1.Pod) error,
) error {
	live := &corev1.Pod{}
	live.Namespace, live.Name, live.UID = rc.Namespace, name, uid
	if c.Live != nil {
		live = c.Live(name)
	}
	if live.UID != uid || ok(live) != nil {
		return kube.ErrStale
	}
	c.add("delete " + name)
	return c.Err
}

// ObjectControl records "ensure NAME" and "remove NAME".
type ObjectControl struct {
	log
	// Err is the answer to everything.
	Err error
}

// Ensure records what is wanted.
func (c *ObjectControl) Ensure(_ context.Context, _ *redisv1.RedisCluster, wanted kube.Object, _ kube.Getter) error {
	c.add("ensure " + wanted.GetName())
	return c.Err
}

// Remove records what is not wanted.
func (c *ObjectControl) Remove(_ context.Context, _ *redisv1.RedisCluster, unwanted kube.Object, _ kube.Getter) error {
	c.add("remove " + unwanted.GetName())
	return c.Err
}

// StatusUpdater keeps the last status of each cluster.
type StatusUpdater struct {
	// Err is the answer to everything.
	Err error

	mu     sync.Mutex
	latest map[string]redisv1.RedisClusterStatus
}

// Update keeps the status.
func (u *StatusUpdater) Update(_ context.Context, rc *redisv1.RedisCluster, status redisv1.RedisClusterStatus) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.latest == nil {
		u.latest = map[string]redisv1.RedisClusterStatus{}
	}
	u.latest[rc.Namespace+"/"+rc.Name] = status
	return u.Err
}

// Latest is the last status of the cluster with this key, namespace/name.
func (u *StatusUpdater) Latest(key string) redisv1.RedisClusterStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.latest[key]
}
