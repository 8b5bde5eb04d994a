package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/kube"
)

// host is all that a look reads of a Kubernetes node. While it stays the same, a node may tell what it likes: nobody
// looks at a cluster for it.
type host struct {
	zone         string
	outOfService bool // somebody has said that it is off
	silent       bool // Kubernetes does not hear from it
	usable       bool // pods can be scheduled on it
	// shut says why a pod that needs this very node would not run on it again: "cordoned" or "not ready"; "" when it
	// would.
	shut string
}

func hostOf(n *corev1.Node) host {
	return host{
		zone:         n.Labels[corev1.LabelTopologyZone],
		outOfService: kube.OutOfService(n),
		silent:       silent(n),
		usable:       !n.Spec.Unschedulable && !repels(n),
		shut:         shut(n),
	}
}

// silent says that nothing has come from a node's kubelet for the time that Kubernetes gives it.
func silent(n *corev1.Node) bool { return readiness(n) == corev1.ConditionUnknown }

// readiness is what is known of a node's kubelet; "" while it has never told.
func readiness(n *corev1.Node) corev1.ConditionStatus {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return ""
}

// shut looks at no taint: a pod that runs on a node with one tolerates it.
func shut(n *corev1.Node) string {
	switch ready := readiness(n); {
	case n.Spec.Unschedulable:
		return "cordoned"
	case ready == corev1.ConditionFalse, ready == corev1.ConditionUnknown:
		return "not ready"
	}
	return ""
}

// repels is true for a node with a taint that keeps new pods away.
func repels(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	})
}

// hosts are the Kubernetes nodes that are in service, by name.
type hosts map[string]host

func (c *Controller) hosts() (hosts, error) {
	nodes, err := c.Nodes.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	h := make(hosts, len(nodes))
	for _, n := range nodes {
		if one := hostOf(n); !one.outOfService {
			h[n.Name] = one
		}
	}
	return h, nil
}

// usable are those that pods can be scheduled on, sorted by name.
func (h hosts) usable() []cluster.Host {
	var usable []cluster.Host
	for name, one := range h {
		if one.usable {
			usable = append(usable, cluster.Host{Name: name, Zone: one.zone})
		}
	}
	slices.SortFunc(usable, func(a, b cluster.Host) int { return cmp.Compare(a.Name, b.Name) })
	return usable
}

// goneHosts are the hosts of pods that are gone for good. What the cache does not have may be new: the API server
// decides. A host of which it does not say so is not gone.
func (c *Controller) goneHosts(ctx context.Context, pods []*corev1.Pod, known hosts) map[string]bool {
	gone := map[string]bool{}
	for _, pod := range pods {
		name := pod.Spec.NodeName
		_, there := known[name]
		if _, asked := gone[name]; name == "" || there || asked {
			continue
		}
		isGone, err := c.Pods.HostGone(ctx, name)
		gone[name] = isGone && err == nil
	}
	return gone
}
