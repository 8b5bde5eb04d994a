package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang/glog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned"
	"github.com/redisoperator/redis-operator/pkg/controller"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	// component names the operator to the API server.
	component = "redis-operator"
	// secretsTTL is how long the operator believes what it has read of Secrets, which it may not watch.
	secretsTTL = 5 * time.Minute
)

// Run is the operator, until ctx ends: then workers finish the step in hand and the Lease is given back. With
// ErrLostLease they are still at work when it returns.
func Run(ctx context.Context, o *Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	sendKlogThroughGlog()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	queues, err := newQueueMetrics(registry)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	workqueue.SetProvider(queues)
	a, err := assemble(ctx, o, registry)
	if err != nil {
		return err
	}
	defer a.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, o.HTTPAddress, a.health(), registry) })
	group.Go(func() error { return a.run(ctx) })
	// errStopped ends the server when the work has ended without an error.
	if err := group.Wait(); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

var errStopped = errors.New("stopped")

// assembly is everything that Run starts.
type assembly struct {
	options     *Options
	kube        kubernetes.Interface
	nodes       informers.SharedInformerFactory
	nodeSynced  cache.InformerSynced
	watches     []*controller.Informers
	controller  *controller.Controller
	redis       *redis.Clients
	flushEvents func()
	watchdog    *leaderelection.HealthzAdaptor
}

func assemble(ctx context.Context, o *Options, registry *prometheus.Registry) (*assembly, error) {
	config, err := clientConfig(o)
	if err != nil {
		return nil, err
	}
	if err = countRequests(config, registry); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	outlast(config, redial, clock.RealClock{})
	kubeClient, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes client: %w", err)
	}
	redisClient, err := versioned.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("redisclusters client: %w", err)
	}
	recorder, flush, err := kube.NewRecorder(ctx, kubeClient)
	if err != nil {
		return nil, fmt.Errorf("event recorder: %w", err)
	}
	nodes := informers.NewSharedInformerFactoryWithOptions(kubeClient, o.Resync, informers.WithTransform(keepNodeBasics))
	a := &assembly{
		options:     o,
		kube:        kubeClient,
		nodes:       nodes,
		nodeSynced:  nodes.Core().V1().Nodes().Informer().HasSynced,
		redis:       redis.NewClients(redis.Dialer{}),
		flushEvents: flush,
		watchdog:    leaderelection.NewLeaderHealthzAdaptor(20 * time.Second),
	}
	return a, a.addController(redisClient, recorder, registry)
}

// addController makes the informers of every namespace, the loop over them, and its metrics.
func (a *assembly) addController(
	redisClient versioned.Interface, recorder record.EventRecorder, registry *prometheus.Registry,
) error {
	var stores []controller.Stores
	for _, ns := range a.options.namespaces() {
		w := controller.NewInformers(redisClient, a.kube, ns, a.options.Resync)
		a.watches = append(a.watches, w)
		stores = append(stores, w.Stores)
	}
	metrics, err := controller.NewMetrics(registry)
	if err == nil {
		err = registry.Register(controller.NewClusterCollector(stores))
	}
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	now := clock.RealClock{}
	a.controller = controller.New(controller.Config{
		Stores:   stores,
		Nodes:    a.nodes.Core().V1().Nodes().Lister(),
		Pods:     kube.NewPodControl(a.kube, recorder),
		Objects:  kube.NewObjectControl(a.kube),
		History:  kube.NewRevisionControl(a.kube),
		Secrets:  kube.NewSecretControl(a.kube, secretsTTL, now.Now),
		Status:   kube.NewStatusUpdater(redisClient),
		Redis:    a.redis,
		Slots:    a.redis,
		Settings: a.redis,
		Agents: func(ca agent.CA, clusterUID string) (controller.AgentControl, error) {
			return agent.NewOperatorClient(ca, clusterUID, now.Now)
		},
		Events: kube.NewEvents(recorder),
		Images: objects.Images{
			Redisnode: a.options.RedisnodeImage, PullPolicy: corev1.PullPolicy(a.options.RedisnodePullPolicy),
		},
		Metrics: metrics,
		Clock:   now,
	})
	for _, w := range a.watches {
		if err := a.controller.Watch(w); err != nil {
			return err
		}
	}
	return a.controller.WatchNodes(a.nodes.Core().V1().Nodes().Informer())
}

// run fills the caches, waits for the Lease when there is one, and works.
func (a *assembly) run(ctx context.Context) error {
	a.nodes.StartWithContext(ctx)
	for _, w := range a.watches {
		if err := w.Start(ctx); err != nil {
			return err
		}
	}
	if !cache.WaitForCacheSync(ctx.Done(), a.nodeSynced) {
		return fmt.Errorf("fill the cache of nodes: %w", context.Cause(ctx))
	}
	glog.Infof("caches are filled for namespaces %q", a.options.namespaces())
	var err error
	if a.controller.ResizesPods, err = kube.ServesResize(a.kube.Discovery()); err != nil {
		return err
	}
	glog.Infof("running pods can get other memory and processors: %t", a.controller.ResizesPods)
	work := func(ctx context.Context) error {
		a.controller.Run(ctx, a.options.Workers)
		return nil
	}
	if a.options.LeaderElect {
		if err := lead(ctx, a.kube, a.options.LeaderElectNamespace, a.watchdog, work); err != nil {
			return err
		}
		return errStopped
	}
	if err := work(ctx); err != nil {
		return err
	}
	return errStopped
}

func (a *assembly) health() health {
	return health{
		live: func() error { return a.watchdog.Check(nil) },
		ready: func() error {
			for _, w := range a.watches {
				if !w.HasSynced() {
					return fmt.Errorf("the caches of namespace %q are not filled yet", w.Stores.Namespace)
				}
			}
			return nil
		},
	}
}

func (a *assembly) close() {
	a.flushEvents()
	a.redis.Close()
}

func clientConfig(o *Options) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	config.QPS, config.Burst = o.QPS, o.Burst
	config.UserAgent = rest.DefaultKubernetesUserAgent() + "/" + component
	return config, nil
}

// keepNodeBasics keeps what the operator reads of a Kubernetes node: name, labels, taints, and whether its kubelet is
// heard. When it was heard last is not kept: that changes all the time.
func keepNodeBasics(obj any) (any, error) {
	n, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	n.ManagedFields, n.Annotations = nil, nil
	var kept corev1.NodeStatus
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			kept.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	n.Status = kept
	return n, nil
}
