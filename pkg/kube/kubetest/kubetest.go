// Package kubetest has stand-ins for the controls of pkg/kube, for the tests of what uses them. They record what they
// were asked to do, and answer with the error that the test sets.
package kubetest

import (
	"context"
	"fmt"
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

// Adopt records the adoption.
func (c *PodControl) Adopt(_ context.Context, _ *redisv1.RedisCluster, pod *corev1.Pod) error {
	c.add("adopt " + pod.Name)
	return c.Err
}

// SetImages records the change.
func (c *PodControl) SetImages(_ context.Context, _ *redisv1.RedisCluster, pod *corev1.Pod) error {
	c.add("set images of " + pod.Name)
	return c.Err
}

// Resize records the change.
func (c *PodControl) Resize(
	_ context.Context, _ *redisv1.RedisCluster, pod *corev1.Pod, _ func(*corev1.Pod) error,
) error {
	c.add("resize " + pod.Name)
	return c.Err
}

// DeleteLost records the deletion.
func (c *PodControl) DeleteLost(_ context.Context, _ *redisv1.RedisCluster, name string, _ types.UID) error {
	c.add("delete lost " + name)
	return c.Err
}

// HostGone says that no host is gone.
func (*PodControl) HostGone(context.Context, string) (bool, error) { return false, nil }

// Delete asks ok, and records the deletion when it agrees.
func (c *PodControl) Delete(
	_ context.Context, rc *redisv1.RedisCluster, name string, uid types.UID, ok func(*corev1.Pod) error,
) error {
	live := &corev1.Pod{}
	live.Namespace, live.Name, live.UID = rc.Namespace, name, uid
	if c.Live != nil {
		live = c.Live(name)
	}
	if live.UID != uid {
		return kube.ErrStale
	}
	if err := ok(live); err != nil {
		return fmt.Errorf("%w: %w", kube.ErrStale, err)
	}
	c.add("delete " + name)
	return c.Err
}
