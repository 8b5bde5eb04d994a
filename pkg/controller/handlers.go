package controller

import (
	"fmt"

	"github.com/golang/glog"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// Watch makes the events of these informers put keys into the queue. Handlers never decide.
func (c *Controller) Watch(i *Informers) error {
	if _, err := i.clusters.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: c.enqueue,
		UpdateFunc: func(old, now any) {
			if meantAnything(old, now) {
				c.enqueue(now)
			}
		},
		DeleteFunc: c.enqueue,
	}); err != nil {
		return fmt.Errorf("watch redisclusters: %w", err)
	}
	for _, informer := range i.owned {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: c.enqueueOwner,
			UpdateFunc: func(old, now any) {
				if changed(old, now) {
					c.enqueueOwner(now)
				}
			},
			DeleteFunc: c.enqueueOwner,
		}); err != nil {
			return fmt.Errorf("watch the objects of redisclusters: %w", err)
		}
	}
	return nil
}

// WatchNodes makes the events of Kubernetes nodes put the keys of clusters with pods there into the queue, if they
// change what a look reads of a node: kubelets write every few seconds.
func (c *Controller) WatchNodes(nodes cache.SharedInformer) error {
	if _, err := nodes.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, first bool) {
			if !first { // with the first ones come all clusters
				c.enqueueThere(obj)
			}
		},
		UpdateFunc: func(old, now any) {
			a, okA := old.(*corev1.Node)
			b, okB := now.(*corev1.Node)
			if okA && okB && hostOf(a) != hostOf(b) {
				c.enqueueThere(b)
			}
		},
		DeleteFunc: c.enqueueThere,
	}); err != nil {
		return fmt.Errorf("watch nodes: %w", err)
	}
	return nil
}

// enqueueThere asks for a look at every RedisCluster with a pod on a Kubernetes node.
func (c *Controller) enqueueThere(node any) {
	key, err := cache.DeletionHandlingObjectToName(node)
	if err != nil {
		glog.Errorf("an event of a node that has no name: %v", err)
		return
	}
	for _, s := range c.Stores {
		pods, err := s.Pods.List(labels.Everything())
		if err != nil {
			glog.Errorf("list pods for an event of node %s: %v", key.Name, err)
			continue
		}
		for _, pod := range pods {
			if pod.Spec.NodeName == key.Name {
				c.enqueueOwner(pod)
			}
		}
	}
}

// enqueue asks for a look at a RedisCluster.
func (c *Controller) enqueue(obj any) {
	key, err := cache.DeletionHandlingObjectToName(obj)
	if err != nil {
		glog.Errorf("an event of something that has no name: %v", err)
		return
	}
	c.queue.AddAfter(key, settle)
}

// enqueueOwner asks for a look at the RedisCluster that an object belongs to.
func (c *Controller) enqueueOwner(obj any) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	o, ok := obj.(metav1.Object)
	if !ok {
		return
	}
	name := o.GetLabels()[redisv1.LabelCluster] // a volume claim that outlives its owner has only that
	if owner := metav1.GetControllerOf(o); owner != nil && owner.Kind == "RedisCluster" {
		name = owner.Name // somebody may have taken the label away
	}
	if name != "" {
		c.queue.AddAfter(cache.ObjectName{Namespace: o.GetNamespace(), Name: name}, settle)
	}
}

// changed is false for what a resync repeats.
func changed(old, now any) bool {
	a, okA := old.(metav1.Object)
	b, okB := now.(metav1.Object)
	return !okA || !okB || a.GetResourceVersion() != b.GetResourceVersion()
}

// meantAnything is false for our own writes of the status, and true for a resync, which is a look from time to time.
func meantAnything(old, now any) bool {
	a, okA := old.(*redisv1.RedisCluster)
	b, okB := now.(*redisv1.RedisCluster)
	if !okA || !okB || a.ResourceVersion == b.ResourceVersion {
		return true
	}
	return a.Generation != b.Generation || rehearsed(a) != rehearsed(b) || givenUp(a) != givenUp(b) ||
		a.Annotations[redisv1.AnnotationApprovedRevision] != b.Annotations[redisv1.AnnotationApprovedRevision] ||
		(b.DeletionTimestamp != nil && a.DeletionTimestamp == nil)
}
