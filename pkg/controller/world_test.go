package controller

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	redislisters "github.com/redisoperator/redis-operator/pkg/client/listers/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const secretsTTL = 5 * time.Minute

var birth = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// kept is a kind that the tests keep.
type kept struct {
	kind kube.Object
	gvr  schema.GroupVersionResource
	gvk  schema.GroupVersionKind
}

var resources = []kept{
	coreResource(&corev1.Pod{}, "Pod", "pods"),
	coreResource(&corev1.PersistentVolumeClaim{}, "PersistentVolumeClaim", "persistentvolumeclaims"),
	coreResource(&corev1.Service{}, "Service", "services"),
	coreResource(&corev1.ConfigMap{}, "ConfigMap", "configmaps"),
	coreResource(&corev1.ServiceAccount{}, "ServiceAccount", "serviceaccounts"),
	coreResource(&corev1.Secret{}, "Secret", "secrets"),
	coreResource(&corev1.Node{}, "Node", "nodes"),
	{
		&appsv1.ControllerRevision{}, appsv1.SchemeGroupVersion.WithResource("controllerrevisions"),
		appsv1.SchemeGroupVersion.WithKind("ControllerRevision"),
	},
	{
		&policyv1.PodDisruptionBudget{}, policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"),
		policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
	},
	{
		&redisv1.RedisCluster{}, redisv1.SchemeGroupVersion.WithResource("redisclusters"),
		redisv1.SchemeGroupVersion.WithKind("RedisCluster"),
	},
}

func coreResource(obj kube.Object, kind, name string) kept {
	return kept{obj, corev1.SchemeGroupVersion.WithResource(name), corev1.SchemeGroupVersion.WithKind(kind)}
}

// demo is a RedisCluster shop/demo of three masters with a replica each.
func demo(edits ...func(*redisv1.RedisCluster)) *redisv1.RedisCluster {
	rc := &redisv1.RedisCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "demo"},
		Spec: redisv1.RedisClusterSpec{
			PodTemplate: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: redisv1.ContainerRedis, Image: "redis:7.0.15"}},
			}},
		},
	}
	for _, change := range edits {
		change(rc)
	}
	return rc
}

func in(namespace string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Namespace = namespace }
}

func persistent(rc *redisv1.RedisCluster) { rc.Spec.Storage.Type = redisv1.StoragePersistent }

// fixture is a Kubernetes with Redis Clusters in it, and a real Controller in front of them: its controls are those of
// pkg/kube over a fake API server, and its nodes and agents those of clustertest.
type fixture struct {
	t      testing.TB
	clock  clock.WithTicker
	life   *lifeline
	api    *apiServer
	story  *story
	caches *caches // the operator's
	truth  *caches // always up to date: what kubelets and invariants go by
	c      *Controller

	registry *prometheus.Registry

	mu     sync.Mutex
	places []*place
	what   string // what is tried, for the message of a failed test
	lives  int    // operators that were started
	// refusals are steps that nodes refused, which do not happen to an operator with a fresh view.
	refusals []string
	// answers is what an agent says instead of the truth, by pod.
	answers map[string]func(agent.Status) (agent.Status, error)
	slots   slotFaults
	// unwilling are pods whose node does not take settings, and what they say instead; comparisons counts how often nodes
	// are asked what they run with.
	unwilling   map[string]error
	comparisons int
	// noDefaults are pods whose agent does not know what the server has by itself.
	noDefaults map[string]bool
}

// place is where one RedisCluster lives. All clusters are called demo, each in a namespace of its own.
type place struct {
	number    int
	namespace string
	world     *clustertest.World
	started   map[string]started // by pod
	// generation is the highest that any agent has seen.
	generation int64
}

// started is what a pod got from Kubernetes when it started.
type started struct {
	uid      types.UID
	password string
	mover    string
	caCert   []byte
	server   *server
}

func newFixture(t testing.TB, clusters ...*redisv1.RedisCluster) *fixture {
	t.Helper()
	return newFixtureAt(t, clocktesting.NewFakeClock(birth), clusters...)
}

func newFixtureAt(t testing.TB, now clock.WithTicker, clusters ...*redisv1.RedisCluster) *fixture {
	t.Helper()
	return newFixtureIn(t, now, clustertest.Settings{Seed: 7, StartTime: 2}, clusters...)
}

func newFixtureIn(
	t testing.TB, now clock.WithTicker, settings clustertest.Settings, clusters ...*redisv1.RedisCluster,
) *fixture {
	t.Helper()
	f := &fixture{
		t: t, clock: now, life: &lifeline{}, caches: newCaches(), truth: newCaches(),
		answers: map[string]func(agent.Status) (agent.Status, error){},
	}
	f.api = newAPIServer(f.life, f.clock.Now)
	f.story = &story{life: f.life}
	for i, zone := range []string{"a", "b", "c"} {
		add(f.api, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("node%d", i+1), Labels: map[string]string{corev1.LabelTopologyZone: zone},
		}})
	}
	for i, rc := range clusters {
		add(f.api, rc)
		settings.Ephemeral = rc.Spec.Storage.Type != redisv1.StoragePersistent
		f.places = append(f.places, &place{
			number: i, namespace: rc.Namespace, started: map[string]started{}, world: clustertest.New(settings),
		})
	}
	f.start()
	t.Cleanup(func() { f.c.queue.ShutDown() })
	return f
}

// start makes an operator with an empty memory, and caches filled from what is there.
func (f *fixture) start() {
	f.life.mu.Lock()
	if f.life.dead && f.life.always {
		f.life.at = len(f.life.writes) + 1
	}
	f.life.dead = false
	f.life.mu.Unlock()
	f.lives++
	f.caches.fill(f.api)
	if f.c != nil {
		f.c.queue.ShutDown()
	}
	f.c = New(f.config([]Stores{f.caches.stores()}, f.caches.nodeLister()))
}

func (f *fixture) config(stores []Stores, nodes corelisters.NodeLister) Config {
	f.registry = prometheus.NewRegistry()
	metrics, err := NewMetrics(f.registry)
	if err != nil {
		f.t.Fatal(err)
	}
	return Config{
		Stores:   stores,
		Nodes:    nodes,
		Pods:     kube.NewPodControl(f.api.kube, f.story),
		Objects:  kube.NewObjectControl(f.api.kube),
		History:  kube.NewRevisionControl(f.api.kube),
		Secrets:  kube.NewSecretControl(f.api.kube, secretsTTL, f.clock.Now),
		Status:   kube.NewStatusUpdater(f.api.redis),
		Redis:    (*redisNodes)(f),
		Slots:    (*redisNodes)(f),
		Settings: (*redisNodes)(f),
		Agents: func(ca agent.CA, clusterUID string) (AgentControl, error) {
			return &agentsOf{f, ca.CertPEM, clusterUID}, nil
		},
		Events:  kube.NewEvents(f.story),
		Images:  objects.Images{Redisnode: "redisnode:test"},
		Metrics: metrics,
		Clock:   f.clock,
	}
}

func (f *fixture) key(namespace string) cache.ObjectName {
	return cache.ObjectName{Namespace: namespace, Name: "demo"}
}

// look is one sync, with caches as they are.
func (f *fixture) look(namespace string) (time.Duration, error) {
	return f.c.syncSafely(f.t.Context(), f.key(namespace))
}

// lookFresh is one sync, with caches that are up to date.
func (f *fixture) lookFresh(namespace string) error {
	f.caches.fill(f.api)
	_, err := f.look(namespace)
	return err
}

// pass lets a second go by.
func (f *fixture) pass() {
	if now, ok := f.clock.(*clocktesting.FakeClock); ok {
		now.Step(time.Second)
	}
	f.tick()
}

// tick lets the pods and nodes live on for a second.
func (f *fixture) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
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
			if !ready {
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
		status.PodIP = p.outer(m.Pod.IP)
		if pod.Spec.NodeName != m.Pod.Host || !equality.Semantic.DeepEqual(pod.Status, status) {
			edit(f.api, p.namespace, pod.Name, func(live *corev1.Pod) { live.Spec.NodeName, live.Status = m.Pod.Host, status })
		}
		f.bind(pod)
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

// bind gives the claims of a pod their volumes.
func (f *fixture) bind(pod *corev1.Pod) {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim, ok := find[*corev1.PersistentVolumeClaim](f.api, pod.Namespace, v.PersistentVolumeClaim.ClaimName)
		if !ok || claim.Status.Phase == corev1.ClaimBound {
			continue
		}
		edit(f.api, claim.Namespace, claim.Name, func(c *corev1.PersistentVolumeClaim) {
			c.Spec.VolumeName, c.Status.Phase = "volume-of-"+c.Name, corev1.ClaimBound
		})
	}
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

// redisNodes are the nodes of all places.
type redisNodes fixture

// log in to the node at an endpoint.
func (n *redisNodes) login(ep redis.Endpoint) (*place, cluster.Member, error) {
	ip, _, err := net.SplitHostPort(ep.Addr)
	if err != nil {
		return nil, cluster.Member{}, err
	}
	p, m, err := (*fixture)(n).at(ip)
	if err != nil {
		return nil, m, err
	}
	want := redis.Credentials{Username: agent.UserOperator, Password: p.started[m.Pod.Name].password}
	if ep.Credentials != want {
		return nil, m, fmt.Errorf("%s: %w", ep.Addr, redis.ErrAuth)
	}
	return p, m, nil
}

// command writes to a node.
func (n *redisNodes) command(ep redis.Endpoint, what string, step func(*place, cluster.Member) (plan.Step, error)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, m, err := n.login(ep)
	if err != nil {
		return err
	}
	do, err := step(p, m)
	if err != nil {
		return err
	}
	return n.life.write(fmt.Sprintf("redis %s %s", what, m.Pod.Name), func() error {
		err := p.world.Apply(do)
		if err != nil {
			n.refusals = append(n.refusals, err.Error())
			err = fmt.Errorf("%w: %w", redis.ErrUnknownNode, err)
		}
		return err
	})
}

// ObserveAll implements RedisControl.
func (n *redisNodes) ObserveAll(_ context.Context, eps []redis.Endpoint) []redis.Observation {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := make([]redis.Observation, len(eps))
	for i, ep := range eps {
		p, m, err := n.login(ep)
		if err == nil && n.life.isDead() {
			err = errKilled
		}
		if err != nil {
			seen[i].Err = err
			continue
		}
		seen[i].Info = new(*m.Info)
		seen[i].Info.Table = slices.Clone(m.Info.Table) // the world keeps its own
		for j := range m.Info.Table {
			seen[i].Info.Table[j].Addr.IP = p.outer(m.Info.Table[j].Addr.IP)
		}
	}
	return seen
}

// Meet implements RedisControl. The pipeline may break in the middle.
func (n *redisNodes) Meet(_ context.Context, ep redis.Endpoint, peers []redis.Peer) error {
	half := func(what string, peers []redis.Peer) error {
		if len(peers) == 0 {
			return nil
		}
		return n.command(ep, what, func(p *place, m cluster.Member) (plan.Step, error) {
			names := make([]string, len(peers))
			for i, peer := range peers {
				other, met, err := (*fixture)(n).at(peer.IP)
				if err != nil || other != p || peer.Port != agent.RedisPort || peer.BusPort != agent.BusPort {
					return nil, fmt.Errorf("safety rule S7: a node in %s is to meet %v: %w", p.namespace, peer, err)
				}
				names[i] = met.Pod.Name
			}
			return plan.Meet{Meetings: []plan.Meeting{{Pod: m.Pod.Name, Peers: names}}}, nil
		})
	}
	middle := len(peers) / 2
	if err := half("meet the first half", peers[:middle]); err != nil {
		return err
	}
	return half("meet the other half", peers[middle:])
}

// AddSlots implements RedisControl: the epoch is one write, the slots are another.
func (n *redisNodes) AddSlots(_ context.Context, ep redis.Endpoint, epoch uint64, slots cluster.SlotSet) error {
	grant := func(what string, g plan.Grant) error {
		return n.command(ep, what, func(_ *place, m cluster.Member) (plan.Step, error) {
			g.Pod = m.Pod.Name
			return plan.AddSlots{Grants: []plan.Grant{g}}, nil
		})
	}
	if epoch > 0 {
		if err := grant("set-config-epoch", plan.Grant{Epoch: epoch}); err != nil {
			return err
		}
	}
	return grant("addslots", plan.Grant{Slots: slots})
}

// Replicate implements RedisControl.
func (n *redisNodes) Replicate(_ context.Context, ep redis.Endpoint, primary cluster.NodeID) error {
	return n.command(ep, "replicate", func(_ *place, m cluster.Member) (plan.Step, error) {
		return plan.Replicate{Links: []plan.Link{{Pod: m.Pod.Name, Primary: primary}}}, nil
	})
}

// Forget implements RedisControl.
func (n *redisNodes) Forget(_ context.Context, ep redis.Endpoint, ids []cluster.NodeID, givenUp cluster.SlotSet) error {
	return n.command(ep, "forget", func(_ *place, m cluster.Member) (plan.Step, error) {
		return plan.Forget{Bans: []plan.Ban{{Pod: m.Pod.Name, Nodes: ids}}, GivenUp: givenUp}, nil
	})
}

// Failover implements RedisControl.
func (n *redisNodes) Failover(_ context.Context, ep redis.Endpoint, mode redis.FailoverMode) error {
	if mode != redis.Takeover {
		return fmt.Errorf("failover %d", mode)
	}
	return n.command(ep, "takeover", func(_ *place, m cluster.Member) (plan.Step, error) {
		return plan.Failover{Pod: m.Pod.Name, Node: m.ID(), Primary: m.Follows()}, nil
	})
}

// Reign implements AgentControl.
func (a *agentsOf) Reign(_ context.Context, ip string, r agent.ReignRequest) error {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	p, m, err := a.f.at(ip)
	if err != nil {
		return err
	}
	return a.admit(p, m, r.Order)
}

// admit is what agents do with every order; one remembers for all.
func (a *agentsOf) admit(p *place, m cluster.Member, o agent.Order) error {
	if o.ClusterUID != a.uid || o.PodUID != string(p.started[m.Pod.Name].uid) || o.Generation < p.generation {
		return &agent.RefusedError{Code: 409, Message: fmt.Sprintf("the order %+v is not for this pod, or old", o)}
	}
	p.generation = o.Generation
	return nil
}

// Promote implements AgentControl.
func (a *agentsOf) Promote(_ context.Context, ip string, r agent.PromoteRequest) error {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	p, m, err := a.f.at(ip)
	if err != nil {
		return err
	}
	if err := a.admit(p, m, r.Order); err != nil {
		return err
	}
	step := plan.Failover{Pod: m.Pod.Name, Node: m.ID(), Primary: cluster.NodeID(r.PrimaryID)}
	if r.Mode == agent.PromoteManual {
		step.Mode = plan.HandOver
	}
	return a.f.life.write(fmt.Sprintf("agent promote %s %s", m.Pod.Name, r.Mode), func() error {
		if err := p.world.Apply(step); err != nil {
			return &agent.RefusedError{Code: 409, Message: err.Error()}
		}
		return nil
	})
}

// agentsOf asks agents with the certificate of one cluster.
type agentsOf struct {
	f      *fixture
	caCert []byte
	uid    string
}

// Status implements AgentControl.
func (a *agentsOf) Status(_ context.Context, ip string) (agent.Status, error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	p, m, err := a.f.at(ip)
	if err != nil {
		return agent.Status{}, err
	}
	s := p.started[m.Pod.Name]
	if !bytes.Equal(s.caCert, a.caCert) {
		return agent.Status{}, agent.ErrForeign
	}
	status := agent.Status{
		ClusterUID: a.uid, PodName: m.Pod.Name, PodUID: string(s.uid), PodIP: ip, NodeID: string(m.ID()),
		Phase: agent.PhaseRunning, Generation: p.generation,
	}
	if answer, ok := a.f.answers[m.Pod.Name]; ok {
		return answer(status)
	}
	return status, nil
}

// Close implements AgentControl.
func (a *agentsOf) Close() {}

// story is the events, as an EventRecorder.
type story struct {
	life   *lifeline
	mu     sync.Mutex
	events []string
}

// Event implements record.EventRecorder.
func (s *story) Event(obj runtime.Object, kind, reason, message string) {
	if s.life.isDead() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, fmt.Sprintf("%s %s %s %s", accessor(obj).GetNamespace(), kind, reason, message))
}

// Eventf implements record.EventRecorder.
func (s *story) Eventf(obj runtime.Object, kind, reason, message string, args ...any) {
	s.Event(obj, kind, reason, fmt.Sprintf(message, args...))
}

// AnnotatedEventf implements record.EventRecorder.
func (s *story) AnnotatedEventf(obj runtime.Object, _ map[string]string, kind, reason, message string, args ...any) {
	s.Event(obj, kind, reason, fmt.Sprintf(message, args...))
}

// take is what was told since it was last called.
func (s *story) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.events
	s.events = nil
	return events
}

// caches are what informers would have, brought up to date when a test says so.
type caches struct {
	indexers map[string]cache.Indexer // by resource
	seen     map[string]int           // how many changes of the API server they have
}

func newCaches() *caches {
	c := &caches{indexers: map[string]cache.Indexer{}, seen: map[string]int{}}
	for _, r := range resources {
		c.indexers[r.gvr.Resource] = cache.NewIndexer(cache.MetaNamespaceKeyFunc,
			cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	}
	return c
}

// fill brings the caches of these resources up to date; of all when none is named.
func (c *caches) fill(a *apiServer, names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range resources {
		name := r.gvr.Resource
		if name == "secrets" || len(names) > 0 && !slices.Contains(names, name) {
			continue // the operator may not list Secrets
		}
		for _, changed := range a.changed[name][c.seen[name]:] {
			if err := c.take(a, r, changed); err != nil {
				panic(err)
			}
		}
		c.seen[name] = len(a.changed[name])
	}
}

// take brings one object up to date, if an informer would watch it.
func (c *caches) take(a *apiServer, r kept, name types.NamespacedName) error {
	indexer := c.indexers[r.gvr.Resource]
	live, err := a.tracker.Get(r.gvr, name.Namespace, name.Name)
	if err == nil {
		everyone := r.gvr.Resource == "redisclusters" || r.gvr.Resource == "nodes"
		if everyone || accessor(live).GetLabels()[redisv1.LabelManagedBy] == redisv1.ManagedBy {
			return indexer.Update(live)
		}
	} else if !apierrors.IsNotFound(err) {
		return err
	}
	key := name.String()
	if name.Namespace == "" {
		key = name.Name
	}
	if gone, ok, _ := indexer.GetByKey(key); ok {
		return indexer.Delete(gone)
	}
	return nil
}

func (c *caches) nodeLister() corelisters.NodeLister {
	return corelisters.NewNodeLister(c.indexers["nodes"])
}

func (c *caches) stores() Stores {
	return Stores{
		Clusters:        redislisters.NewRedisClusterLister(c.indexers["redisclusters"]),
		Pods:            corelisters.NewPodLister(c.indexers["pods"]),
		Claims:          corelisters.NewPersistentVolumeClaimLister(c.indexers["persistentvolumeclaims"]),
		Services:        corelisters.NewServiceLister(c.indexers["services"]),
		ConfigMaps:      corelisters.NewConfigMapLister(c.indexers["configmaps"]),
		ServiceAccounts: corelisters.NewServiceAccountLister(c.indexers["serviceaccounts"]),
		Budgets:         policylisters.NewPodDisruptionBudgetLister(c.indexers["poddisruptionbudgets"]),
		Revisions:       appslisters.NewControllerRevisionLister(c.indexers["controllerrevisions"]),
	}
}

// cluster is the RedisCluster as the API server has it.
func (f *fixture) cluster(namespace string) *redisv1.RedisCluster {
	f.t.Helper()
	return mustFind[*redisv1.RedisCluster](f.t, f.api, namespace, "demo")
}

// condition is a condition of a RedisCluster, without the time.
func (f *fixture) condition(namespace, kind string) metav1.Condition {
	f.t.Helper()
	c := meta.FindStatusCondition(f.cluster(namespace).Status.Conditions, kind)
	if c == nil {
		return metav1.Condition{Type: kind}
	}
	return *c
}

func (f *fixture) isReady(namespace string) bool {
	f.t.Helper()
	rc := f.cluster(namespace)
	return rc.Status.ObservedGeneration == rc.Generation &&
		f.condition(namespace, redisv1.ConditionReady).Status == metav1.ConditionTrue &&
		f.condition(namespace, redisv1.ConditionProgressing).Reason == plan.Converged
}

// converge looks, and lets time go by, until the clusters are ready. An operator that died is started again.
func (f *fixture) converge(namespaces ...string) {
	f.t.Helper()
	var errs []error
	for range 300 {
		ready := true
		for _, ns := range namespaces {
			if err := f.lookFresh(ns); err != nil {
				errs = append(errs, err)
			}
			f.hold()
			ready = ready && f.isReady(ns)
		}
		if f.life.isDead() {
			f.start()
			ready = false
		}
		if ready {
			return
		}
		f.pass()
	}
	f.t.Fatalf("%s: not ready after 300 looks; last errors %v\n%s", f.what, errs[max(0, len(errs)-3):], f)
}

// hold holds the state of the world against the invariants.
func (f *fixture) hold() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.places {
		ordinals := map[string]string{}
		for _, pod := range f.pods(p.namespace) {
			ordinal := pod.Labels[redisv1.LabelOrdinal]
			if other, taken := ordinals[ordinal]; taken && ordinal != "" {
				f.t.Fatalf("pods %s and %s have the same ordinal", other, pod.Name)
			}
			ordinals[ordinal] = pod.Name
		}
		v := p.world.View()
		v.Members = slices.DeleteFunc(v.Members, func(m cluster.Member) bool { return !m.OwnsSlots() })
		for i := range v.Members { // what a node says of others may be the past
			v.Members[i].Info = new(*v.Members[i].Info)
			v.Members[i].Info.Table = cluster.Table{v.Members[i].Info.Self()}
		}
		if twice := v.Contested(); !twice.IsEmpty() {
			f.t.Fatalf("slots %s have two owners\n%s", twice, p.world)
		}
	}
	if len(f.refusals) > 0 {
		f.t.Fatalf("a step decided on a fresh view is refused: %v", f.refusals)
	}
}

// String is what a person needs to know of a failed test.
func (f *fixture) String() string {
	var b strings.Builder
	for _, p := range f.places {
		rc := f.cluster(p.namespace)
		fmt.Fprintf(&b, "%s/demo: generation %d, pods %s\n", p.namespace, rc.Generation, rc.Status.PodsSummary)
		for _, c := range rc.Status.Conditions {
			fmt.Fprintf(&b, "  %s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
		b.WriteString(p.world.String())
	}
	f.life.mu.Lock()
	defer f.life.mu.Unlock()
	writes := f.life.writes
	fmt.Fprintf(&b, "last writes: %s\n", strings.Join(writes[max(0, len(writes)-20):], "; "))
	return b.String()
}
