package controller

import (
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	"k8s.io/client-go/tools/cache"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	redislisters "github.com/redisoperator/redis-operator/pkg/client/listers/redis/v1"
)

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
