package controller

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// tick lets the pods and nodes live on for a second.
func (f *fixture) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.api.release()
	for _, p := range f.places {
		f.obey(p)
		p.world.Tick()
		f.tell(p)
	}
}

// obey is a kubelet that does to pods what the API server asks for.
func (f *fixture) obey(p *place) {
	var there []string
	for _, pod := range f.pods(p.namespace) {
		there = append(there, pod.Name)
		known, ok := p.started[pod.Name]
		if ok && known.uid != pod.UID {
			p.forget(pod.Name)
			ok = false
		}
		if !ok {
			ordinal, err := strconv.Atoi(pod.Labels[redisv1.LabelOrdinal])
			if err != nil {
				continue
			}
			secrets, ready := f.mount(p.namespace)
			if !ready || !f.attach(p, pod, ordinal) {
				continue
			}
			secrets.uid, secrets.server = pod.UID, f.newServer(p.namespace)
			p.started[pod.Name] = secrets
			if err := p.world.Apply(plan.CreatePods{Ordinals: []int{ordinal}}); err != nil {
				f.t.Fatal(err)
			}
		}
		if pod.DeletionTimestamp != nil && slices.Contains(p.world.Pods(), pod.Name) {
			p.world.Stop(pod.Name)
		}
	}
	for name := range p.started {
		if !slices.Contains(there, name) {
			p.forget(name)
		}
	}
}

// pods are those of the cluster in a namespace, as they are now. They must not be changed.
func (f *fixture) pods(namespace string) []*corev1.Pod {
	f.truth.fill(f.api, "pods")
	pods, err := f.truth.stores().Pods.Pods(namespace).List(labels.Everything())
	if err != nil {
		f.t.Fatal(err)
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

func (p *place) forget(pod string) {
	delete(p.started, pod)
	if slices.Contains(p.world.Pods(), pod) {
		p.world.Kill(pod)
	}
}

// mount is what a pod reads of Secrets; not ready until they are there.
func (f *fixture) mount(namespace string) (started, bool) {
	internal, ok := find[*corev1.Secret](f.api, namespace, "demo-internal")
	if !ok {
		return started{}, false
	}
	tls, ok := find[*corev1.Secret](f.api, namespace, "demo-agent-tls")
	if !ok {
		return started{}, false
	}
	return started{
		password: string(internal.Data[objects.KeyOperatorPassword]), caCert: tls.Data[objects.KeyCACert],
		mover: string(internal.Data[objects.KeyMoverPassword]),
	}, true
}

// tell is a kubelet that tells the API server what became of pods.
func (f *fixture) tell(p *place) {
	pods := f.pods(p.namespace)
	for _, m := range p.world.View().Members {
		i := slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == m.Pod.Name })
		if i < 0 || p.started[m.Pod.Name].uid != pods[i].UID {
			continue
		}
		pod := pods[i]
		status := statusIn(m)
		f.give(p, pod, &status)
		status.PodIP = p.outer(m.Pod.IP)
		if pod.Spec.NodeName != m.Pod.Host || !equality.Semantic.DeepEqual(pod.Status, status) {
			edit(f.api, p.namespace, pod.Name, func(live *corev1.Pod) { live.Spec.NodeName, live.Status = m.Pod.Host, status })
		}
	}
	for name, s := range p.started {
		if slices.Contains(p.world.Pods(), name) {
			continue
		}
		if pod, ok := find[*corev1.Pod](f.api, p.namespace, name); ok && pod.UID == s.uid {
			edit(f.api, p.namespace, name, func(live *corev1.Pod) { live.Spec.NodeName = "" })
			drop[*corev1.Pod](f.api, p.namespace, name)
		}
		delete(p.started, name)
	}
}

func statusIn(m cluster.Member) corev1.PodStatus {
	redisIs := corev1.ContainerStatus{Name: redisv1.ContainerRedis}
	status := corev1.PodStatus{Phase: corev1.PodRunning}
	switch m.Pod.State {
	case cluster.PodPending:
		status.Phase = corev1.PodPending
		redisIs.State.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
	case cluster.PodEnded:
		status.Phase = corev1.PodFailed
		redisIs.State.Terminated = &corev1.ContainerStateTerminated{Reason: "Evicted", ExitCode: 137}
	case cluster.PodRunning, cluster.PodTerminating:
		redisIs.State.Running = &corev1.ContainerStateRunning{}
	}
	if m.Pod.Trouble != "" && m.Info == nil && m.Pod.State == cluster.PodRunning {
		redisIs.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
		redisIs.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Message: m.Pod.Trouble}
	}
	ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
	if m.Pod.Ready && m.Pod.State == cluster.PodRunning {
		ready.Status = corev1.ConditionTrue
	}
	status.ContainerStatuses, status.Conditions = []corev1.ContainerStatus{redisIs}, []corev1.PodCondition{ready}
	return status
}

// noClass is a StorageClass that does not exist.
const noClass = "none"

// attach gives a pod its volume, and says whether it has one. A claim that is another one by now has an empty volume.
func (f *fixture) attach(p *place, pod *corev1.Pod, ordinal int) bool {
	name := claimIn(pod)
	if name == "" {
		return true
	}
	claim, ok := find[*corev1.PersistentVolumeClaim](f.api, pod.Namespace, name)
	switch {
	case !ok || claim.DeletionTimestamp != nil:
		return false
	case ptr.Deref(claim.Spec.StorageClassName, "") == noClass:
		if len(pod.Status.Conditions) == 0 {
			edit(f.api, pod.Namespace, pod.Name, func(live *corev1.Pod) {
				live.Status.Conditions = []corev1.PodCondition{{
					Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "unbound claims",
				}}
			})
			edit(f.api, claim.Namespace, claim.Name, func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimPending })
		}
		return false
	case claim.Status.Phase != corev1.ClaimBound:
		edit(f.api, claim.Namespace, claim.Name, func(c *corev1.PersistentVolumeClaim) {
			c.Spec.VolumeName, c.Status.Phase = "volume-of-"+c.Name, corev1.ClaimBound
		})
	}
	if last, known := p.volumes[name]; known && last != claim.UID {
		p.world.Wipe(ordinal)
	}
	p.volumes[name] = claim.UID
	return true
}

// outer is an address as others see it: every world uses 10.0.x.y.
func (p *place) outer(ip string) string {
	return strings.Replace(ip, "10.0.", fmt.Sprintf("10.%d.", p.number), 1)
}

func (p *place) inner(ip string) string {
	return strings.Replace(ip, fmt.Sprintf("10.%d.", p.number), "10.0.", 1)
}

// at is the member whose pod has this address.
func (f *fixture) at(ip string) (*place, cluster.Member, error) {
	for _, p := range f.places {
		if !strings.HasPrefix(ip, fmt.Sprintf("10.%d.", p.number)) {
			continue
		}
		for _, m := range p.world.View().Members {
			if m.Pod.IP == p.inner(ip) {
				if m.Info == nil {
					return p, m, fmt.Errorf("%w: %s", redis.ErrNotReachable, m.Unseen)
				}
				return p, m, nil
			}
		}
	}
	return nil, cluster.Member{}, fmt.Errorf("%w: no route to %s", redis.ErrNotReachable, ip)
}
