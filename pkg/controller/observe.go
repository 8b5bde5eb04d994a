package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// observe looks at every pod and asks every node that runs, in parallel and bounded in time. A node that
// does not answer is part of the view, not an error.
func (c *Controller) observe(ctx context.Context, rc *redisv1.RedisCluster, a access) (cluster.View, error) {
	pods, err := c.podsOf(rc)
	if err != nil {
		return cluster.View{}, err
	}
	known, err := c.hosts()
	if err != nil {
		return cluster.View{}, err
	}
	gone := c.goneHosts(ctx, pods, known)
	overdue := c.ledgers.of(rc).overdue(pods, c.Clock.Now())
	view := cluster.View{Hosts: known.usable()}
	var asked []int
	var endpoints []redis.Endpoint
	for i, pod := range pods {
		m := c.memberOf(rc, pod, known)
		m.Pod.HostGone = gone[m.Pod.Host]
		if m.Pod.Overdue = overdue[pod.UID]; m.Pod.Overdue {
			m.Pod.Trouble = overdueTrouble(pod)
		}
		if a.agents == nil && running(pod) {
			m.Unseen = "the Secrets to reach it with are not there"
		} else if m.Pod.IP != "" && running(pod) {
			asked = append(asked, i)
			endpoints = append(endpoints, endpoint(m.Pod.IP, a))
		}
		view.Members = append(view.Members, m)
	}
	c.ask(ctx, a, view, asked, endpoints)
	view.Former = formerNodes(rc.Status, view)
	if view.Volumes, err = c.volumesOf(rc); err != nil {
		return view, err
	}
	view = view.SetAside()
	c.weigh(ctx, rc, a, &view)
	return view, c.compareSettings(ctx, rc, a, &view)
}

// ask asks the nodes of members what they know, and the agents of those with whom something is wrong.
func (c *Controller) ask(ctx context.Context, a access, view cluster.View, members []int, endpoints []redis.Endpoint) {
	var explaining sync.WaitGroup
	for i, seen := range c.Redis.ObserveAll(ctx, endpoints) {
		m := &view.Members[members[i]]
		m.Info, m.Unseen = seen.Info, ""
		explain := func() { c.explainVolume(ctx, a, m) }
		switch {
		case seen.Err != nil:
			m.Unseen = seen.Err.Error()
			explain = func() { c.explain(ctx, a, m, seen.Err) }
		case seen.Info.WriteFault == "":
			continue
		}
		explaining.Go(func() {
			_ = safely(func() error { explain(); return nil }) // what was said before stands
		})
	}
	explaining.Wait()
	c.findRoom(ctx, a, view)
}

// memberOf is a pod whose node was not asked yet.
func (c *Controller) memberOf(rc *redisv1.RedisCluster, pod *corev1.Pod, hosts hosts) cluster.Member {
	m := cluster.Member{Pod: podOf(rc, pod, hosts), Down: everStarted(pod) && !running(pod)}
	inPlace := rc.Spec.Update.Redisnode != redisv1.RedisnodeWithPods || !everStarted(pod)
	m.Pod.AgentOutdated = inPlace && objects.AgentImage(pod) != c.Images.Redisnode
	if m.Pod.Outdated {
		m.Pod.Resize, m.Pod.ResizeStall = c.resizeOf(rc, pod)
	}
	claim := c.claimOf(rc, m.Pod.Ordinal)
	m.Pod.Class = classOf(rc, claim)
	m.Pod.Outdated = m.Pod.Outdated && m.Pod.Resize == cluster.ResizeNone || c.outgrown(pod, claim)
	if m.Pod.State == cluster.PodPending {
		m.Pod.Trouble += claimTrouble(pod, claim)
	}
	m.Unseen = "its container redis is not running"
	if m.Pod.State == cluster.PodTerminating && !running(pod) {
		m.Unseen = "it is being deleted"
	}
	return m
}

// volumesOf are the ordinals that this very RedisCluster has a volume for, sorted: a node that is in no pod may come
// back from one.
func (c *Controller) volumesOf(rc *redisv1.RedisCluster) ([]int, error) {
	if rc.Spec.Storage.Type != redisv1.StoragePersistent {
		return nil, nil
	}
	claims, err := c.claimsOf(rc)
	if err != nil {
		return nil, err
	}
	var ordinals []int
	for _, claim := range claims {
		n, err := strconv.Atoi(claim.Labels[redisv1.LabelOrdinal])
		if err == nil && claim.Name == rc.ClaimName(n) && claim.DeletionTimestamp == nil {
			ordinals = append(ordinals, n)
		}
	}
	slices.Sort(ordinals)
	return ordinals, nil
}

// formerNodes are the nodes that the status knows in pods of this cluster, now or before, and that no pod was
// seen to have.
func formerNodes(status redisv1.RedisClusterStatus, v cluster.View) []cluster.NodeID {
	var former []cluster.NodeID
	add := func(id string) {
		if _, seen := v.Member(cluster.NodeID(id)); id != "" && !seen {
			former = append(former, cluster.NodeID(id))
		}
	}
	for _, n := range status.Nodes {
		add(n.ID)
	}
	for _, id := range status.FormerNodes {
		add(id)
	}
	slices.Sort(former)
	return slices.Compact(former)
}

// podsOf are the pods that this very RedisCluster owns, by ordinal. Who owns a pod is said by its owner reference:
// labels are what people edit.
func (c *Controller) podsOf(rc *redisv1.RedisCluster) ([]*corev1.Pod, error) {
	stores, err := c.stores(rc.Namespace)
	if err != nil {
		return nil, err
	}
	all, err := stores.Pods.Pods(rc.Namespace).List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	owned := slices.DeleteFunc(slices.Clone(all), func(p *corev1.Pod) bool { return !metav1.IsControlledBy(p, rc) })
	slices.SortFunc(owned, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(ordinalOf(a), ordinalOf(b)), cmp.Compare(a.Name, b.Name))
	})
	return owned, nil
}

// ordinalOf is the number in a pod's label, or in its name when somebody took the label away; -1 when there is none.
func ordinalOf(pod *corev1.Pod) int {
	for _, text := range []string{pod.Labels[redisv1.LabelOrdinal], pod.Name[strings.LastIndexByte(pod.Name, '-')+1:]} {
		if n, err := strconv.Atoi(text); err == nil && n >= 0 {
			return n
		}
	}
	return -1
}

func podOf(rc *redisv1.RedisCluster, pod *corev1.Pod, hosts hosts) cluster.Pod {
	return cluster.Pod{
		Name:       pod.Name,
		UID:        string(pod.UID),
		Ordinal:    ordinalOf(pod),
		IP:         pod.Status.PodIP,
		Host:       pod.Spec.NodeName,
		Zone:       hosts[pod.Spec.NodeName].zone,
		HostSilent: hosts[pod.Spec.NodeName].silent,
		HostShut:   hosts[pod.Spec.NodeName].shut,
		Volume:     objects.KeepsData(pod),
		State:      stateOf(pod),
		Ready:      ready(pod),
		Process:    processOf(pod),
		Outdated:   objects.Outdated(pod, rc),
		Trouble:    troubleOf(pod),

		MemoryLimit: memoryLimitOf(pod),
	}
}

// explain says why a node does not answer, whether it is known not to run, and whether its volume is at fault. Where
// the pod's address answers and only redis does not, the agent knows more than a refused connection.
func (c *Controller) explain(ctx context.Context, a access, m *cluster.Member, err error) {
	if !errors.Is(err, redis.ErrRefused) {
		return
	}
	status, agentErr := askAgent(ctx, a, m.Pod.IP)
	if agentErr != nil || status.PodUID != m.Pod.UID {
		return
	}
	m.Down = status.Phase == agent.PhaseGate
	if status.Phase != agent.PhaseRunning && status.Waiting != "" {
		m.Waits = status.Waiting
		m.Unseen = "waits at its gate: " + m.Waits
	}
	if m.Down && status.Volume != nil {
		m.VolumeFault = status.Volume.Fault
	}
}

// agentTimeout bounds one question to an agent: a pod that has just gone leaves an address that answers nothing.
const agentTimeout = 2 * time.Second

func askAgent(ctx context.Context, a access, ip string) (agent.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	return a.agents.Status(ctx, ip)
}

// endpoint is where the operator reaches the redis of a pod.
func endpoint(ip string, a access) redis.Endpoint {
	return redis.Endpoint{Addr: net.JoinHostPort(ip, strconv.Itoa(agent.RedisPort)), Credentials: a.operator}
}
