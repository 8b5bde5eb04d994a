package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/golang/glog"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// target is what a step acts on: the cluster, what was seen of it, and how its nodes are reached.
type target struct {
	rc     *redisv1.RedisCluster
	view   cluster.View
	access access
	ledger *ledger
}

// act carries out one step, and tells it once it is taken: one that fails is tried again and again, and the
// condition Degraded tells of it. Slots move in many steps, which are told as one: where they begin and where they end.
func (c *Controller) act(ctx context.Context, t target, d plan.Decision) error {
	c.Metrics.decided(d.Reason)
	if _, idle := d.Step.(plan.Wait); idle {
		glog.V(2).Infof("%s/%s: %s: %s", t.rc.Namespace, t.rc.Name, d.Reason, d.Message)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout(d.Step))
	defer cancel()
	glog.Infof("%s/%s: %s: %s", t.rc.Namespace, t.rc.Name, d.Reason, d.Message)
	if err := t.inOffice(ctx, d.Step); err != nil {
		return err
	}
	if err := c.carryOut(ctx, t, d); err != nil {
		return err
	}
	switch {
	case d.Reason == plan.DataLost:
		c.Events.Warning(t.rc, d.Reason, d.Message)
	case !movesSlots(d.Step):
		c.Events.Step(t.rc, d.Reason, d.Message)
	}
	return nil
}

// movesSlots says whether a step is one of many that move slots.
func movesSlots(step plan.Step) bool {
	switch s := step.(type) {
	case plan.MoveSlots:
		return true
	case plan.CloseSlots:
		return len(s.Finish) > 0 || len(s.Undo) > 0
	case plan.CreatePods, plan.DeletePod, plan.UpdateAgent, plan.ResizePod, plan.Meet, plan.AddSlots, plan.Replicate,
		plan.Forget, plan.Failover, plan.Configure, plan.Wait:
	}
	return false
}

func stepTimeout(step plan.Step) time.Duration {
	if movesSlots(step) {
		return moveTimeout
	}
	return syncTimeout
}

// carryOut is the only place where a decision becomes an effect. A decision is a proposal about a view that is past
// by now: what could hurt is checked again where it is done.
func (c *Controller) carryOut(ctx context.Context, t target, d plan.Decision) error {
	switch s := d.Step.(type) {
	case plan.Wait:
		return nil
	case plan.CreatePods:
		return c.createPods(ctx, t, s)
	case plan.DeletePod:
		return c.deletePod(ctx, t, s)
	case plan.UpdateAgent:
		return c.Pods.SetImages(ctx, t.rc, objects.NewAgentImage(t.rc, s.Pod, types.UID(s.UID), c.Images))
	case plan.ResizePod:
		return c.resizePod(ctx, t, s)
	case plan.Meet:
		return c.meet(ctx, t, s)
	case plan.AddSlots:
		return c.addSlots(ctx, t, s)
	case plan.Replicate:
		return c.replicate(ctx, t, s)
	case plan.Forget:
		return each(ctx, s.Bans, func(ctx context.Context, b plan.Ban) error {
			ep, err := t.endpoint(b.Pod)
			if err != nil {
				return err
			}
			return c.Redis.Forget(ctx, ep, b.Nodes, s.GivenUp)
		})
	case plan.Failover:
		return c.failover(ctx, t, s)
	case plan.MoveSlots:
		return c.moveSlots(ctx, t, s.Moves)
	case plan.CloseSlots:
		return c.closeSlots(ctx, t, s)
	case plan.Configure:
		return c.configure(ctx, t, s)
	}
	return fmt.Errorf("unknown step %T", d.Step)
}

func (c *Controller) replicate(ctx context.Context, t target, s plan.Replicate) error {
	return each(ctx, s.Links, func(ctx context.Context, l plan.Link) error {
		ep, err := t.endpoint(l.Pod)
		if err != nil {
			return err
		}
		return c.Redis.Replicate(ctx, ep, l.Primary)
	})
}

func (c *Controller) addSlots(ctx context.Context, t target, s plan.AddSlots) error {
	return each(ctx, s.Grants, func(ctx context.Context, g plan.Grant) error {
		ep, err := t.endpoint(g.Pod)
		if err != nil {
			return err
		}
		return c.Redis.AddSlots(ctx, ep, g.Epoch, g.Slots)
	})
}

func (c *Controller) createPods(ctx context.Context, t target, s plan.CreatePods) error {
	return each(ctx, s.Ordinals, func(ctx context.Context, ordinal int) error {
		if t.rc.Spec.Storage.Type == redisv1.StoragePersistent {
			if err := c.ensureClaim(ctx, t.rc, ordinal); err != nil {
				return err
			}
		}
		return c.Pods.Create(ctx, t.rc, objects.NewPod(t.rc, ordinal, c.Images))
	})
}

// deletePod deletes a pod that holds nothing, or nothing that others have not. Its node is asked again at the last
// moment: it may have been given slots or a role since it was seen.
func (c *Controller) deletePod(ctx context.Context, t target, s plan.DeletePod) error {
	if s.HostGone {
		return c.Pods.DeleteLost(ctx, t.rc, s.Pod, types.UID(s.UID))
	}
	unneeded := func(live *corev1.Pod) error {
		if s.KeepsVolume {
			return onVolume(live)
		}
		if s.NeverStarted && everStarted(live) {
			return errors.New("it has started redis by now")
		}
		if s.Stopped && running(live) {
			return errors.New("it runs redis by now")
		}
		return c.holdsNothing(ctx, t, s)
	}
	if s.WithVolume {
		return c.deleteWithVolume(ctx, t, s, unneeded)
	}
	return c.Pods.Delete(ctx, t.rc, s.Pod, types.UID(s.UID), unneeded)
}

// onVolume fails for a pod whose data goes with it.
func onVolume(pod *corev1.Pod) error {
	if !objects.KeepsData(pod) {
		return errors.New("it has no volume")
	}
	return nil
}

// holdsNothing fails for a node that owns slots, that may have the last copy of a shard, or that cannot be asked.
// A node that was not seen is one that never started, or whose pod has ended or crashed: the rule did not rely on it.
func (c *Controller) holdsNothing(ctx context.Context, t target, s plan.DeletePod) error {
	ep, err := t.endpoint(s.Pod)
	if err != nil {
		return nil //nolint:nilerr // it was not seen
	}
	now := c.Redis.ObserveAll(ctx, []redis.Endpoint{ep})[0]
	if now.Err != nil {
		return now.Err
	}
	self := now.Info.Self()
	switch {
	case !self.Slots.IsEmpty():
		return fmt.Errorf("its node owns slots %s by now", self.Slots)
	case len(self.Open) > 0, len(now.Info.Tasks) > 0:
		return errors.New("slots are on their way to or from its node by now")
	case s.Primary != "":
		return c.hasEverything(ctx, t, s.Primary, self)
	case self.Role == cluster.Replica && !now.Info.LinkUp:
		return errors.New("its node is a replica whose link is down by now: it may have the last copy")
	}
	return nil
}

// hasEverything fails unless the primary of a replica is there, and still a primary: it has what the replica has.
func (c *Controller) hasEverything(ctx context.Context, t target, primary cluster.NodeID, replica cluster.Node) error {
	m, _ := t.view.Member(primary)
	ep, err := t.endpoint(m.Pod.Name)
	if err != nil {
		return err
	}
	now := c.Redis.ObserveAll(ctx, []redis.Endpoint{ep})[0]
	if now.Err != nil {
		return now.Err
	}
	switch self := now.Info.Self(); {
	case replica.PrimaryID != primary:
		return fmt.Errorf("its node follows node %s by now, not %s", replica.PrimaryID.Short(), primary.Short())
	case self.ID != primary || self.Role != cluster.Primary:
		return fmt.Errorf("node %s is no primary by now: it may have the last copy", primary.Short())
	case now.Info.Loading:
		return fmt.Errorf("node %s has been started again, and is loading its data", primary.Short())
	}
	return nil
}

// meet introduces nodes to each other. One CLUSTER MEET to an address that has changed hands merges two
// clusters and destroys the data of one (FAULTS 43), so each peer's agent proves first, by certificate,
// that it belongs to this cluster, and that the pod and the node behind the address are those that were seen.
// A pod that cannot prove it neither meets nor is met, and keeps nobody else back.
func (c *Controller) meet(ctx context.Context, t target, s plan.Meet) error {
	var mu sync.Mutex
	proven := map[string]redis.Peer{}
	unproven := each(ctx, podsIn(s), func(ctx context.Context, pod string) error {
		m, err := t.prove(ctx, pod)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			proven[pod] = redis.Peer{IP: m.Pod.IP, Port: agent.RedisPort, BusPort: agent.BusPort}
		}
		return err
	})
	unmet := each(ctx, s.Meetings, func(ctx context.Context, m plan.Meeting) error {
		ep, err := t.endpoint(m.Pod)
		if _, ok := proven[m.Pod]; err != nil || !ok {
			return err
		}
		peers := make([]redis.Peer, 0, len(m.Peers))
		for _, pod := range m.Peers {
			if peer, ok := proven[pod]; ok {
				peers = append(peers, peer)
			}
		}
		return c.Redis.Meet(ctx, ep, peers)
	})
	return errors.Join(unproven, unmet)
}

// podsIn are the pods that meet or are met, each once.
func podsIn(s plan.Meet) []string {
	var names []string
	for _, m := range s.Meetings {
		names = append(append(names, m.Pod), m.Peers...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// prove fails unless the agent at a pod's address shows that it is this pod's, with the node that was seen there.
func (t target) prove(ctx context.Context, pod string) (cluster.Member, error) {
	m, err := t.seen(pod)
	if err != nil {
		return m, err
	}
	status, err := askAgent(ctx, t.access, m.Pod.IP)
	if err != nil {
		return m, fmt.Errorf("prove that %s is at %s: %w", pod, m.Pod.IP, err)
	}
	id := string(m.Info.Self().ID)
	if status.PodUID != m.Pod.UID || status.NodeID != id {
		return m, fmt.Errorf("prove that %s is at %s: the agent there is of pod UID %s and node %s, not of %s and %s",
			pod, m.Pod.IP, status.PodUID, status.NodeID, m.Pod.UID, id)
	}
	return m, nil
}

func (t target) member(pod string) (cluster.Member, bool) {
	for _, m := range t.view.Members {
		if m.Pod.Name == pod {
			return m, true
		}
	}
	return cluster.Member{}, false
}

// seen is the member in a pod whose node answered.
func (t target) seen(pod string) (cluster.Member, error) {
	m, ok := t.member(pod)
	if !ok || !m.Seen() {
		return m, fmt.Errorf("pod %s was not seen", pod)
	}
	return m, nil
}

func (t target) endpoint(pod string) (redis.Endpoint, error) {
	m, err := t.seen(pod)
	if err != nil {
		return redis.Endpoint{}, err
	}
	return endpoint(m.Pod.IP, t.access), nil
}
