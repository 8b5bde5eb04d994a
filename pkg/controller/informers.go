package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	"k8s.io/client-go/tools/cache"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned"
	"github.com/redisoperator/redis-operator/pkg/client/informers/externalversions"
	redislisters "github.com/redisoperator/redis-operator/pkg/client/listers/redis/v1"
)

// Stores are the informers' caches of one namespace, or of all. What is read from them must not be changed.
type Stores struct {
	Namespace       string // metav1.NamespaceAll: all
	Clusters        redislisters.RedisClusterLister
	Pods            corelisters.PodLister
	Claims          corelisters.PersistentVolumeClaimLister
	Services        corelisters.ServiceLister
	ConfigMaps      corelisters.ConfigMapLister
	ServiceAccounts corelisters.ServiceAccountLister
	Budgets         policylisters.PodDisruptionBudgetLister
	Revisions       appslisters.ControllerRevisionLister
}

// Informers watch one namespace, or all: every RedisCluster, and of the rest only what carries the
// operator's label, so that a busy Kubernetes costs no memory here.
type Informers struct {
	Stores Stores

	redis    externalversions.SharedInformerFactory
	core     informers.SharedInformerFactory
	clusters cache.SharedIndexInformer
	owned    []cache.SharedIndexInformer
}

// NewInformers makes the informers of a namespace. They do nothing until Start.
func NewInformers(
	redis versioned.Interface, kube kubernetes.Interface, namespace string, resync time.Duration,
) *Informers {
	rf := externalversions.NewSharedInformerFactoryWithOptions(redis, resync,
		externalversions.WithNamespace(namespace), externalversions.WithTransform(dropManagedFields))
	kf := informers.NewSharedInformerFactoryWithOptions(kube, resync, informers.WithNamespace(namespace),
		informers.WithTransform(dropManagedFields),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.LabelSelector = redisv1.LabelManagedBy + "=" + redisv1.ManagedBy
		}))
	clusters, core, policy := rf.Redisoperator().V1().RedisClusters(), kf.Core().V1(), kf.Policy().V1()
	revisions := kf.Apps().V1().ControllerRevisions()
	return &Informers{
		Stores: Stores{
			Namespace:       namespace,
			Clusters:        clusters.Lister(),
			Pods:            core.Pods().Lister(),
			Claims:          core.PersistentVolumeClaims().Lister(),
			Services:        core.Services().Lister(),
			ConfigMaps:      core.ConfigMaps().Lister(),
			ServiceAccounts: core.ServiceAccounts().Lister(),
			Budgets:         policy.PodDisruptionBudgets().Lister(),
			Revisions:       revisions.Lister(),
		},
		redis:    rf,
		core:     kf,
		clusters: clusters.Informer(),
		owned: []cache.SharedIndexInformer{
			core.Pods().Informer(), core.PersistentVolumeClaims().Informer(), core.Services().Informer(),
			core.ConfigMaps().Informer(), core.ServiceAccounts().Informer(), policy.PodDisruptionBudgets().Informer(),
			revisions.Informer(),
		},
	}
}

// Start begins to watch. It returns when every cache has been filled once, or with an error when ctx ends first.
func (i *Informers) Start(ctx context.Context) error {
	i.redis.StartWithContext(ctx)
	i.core.StartWithContext(ctx)
	synced := []cache.InformerSynced{i.clusters.HasSynced}
	for _, informer := range i.owned {
		synced = append(synced, informer.HasSynced)
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return fmt.Errorf("fill the caches of namespace %q: %w", i.Stores.Namespace, context.Cause(ctx))
	}
	return nil
}

// HasSynced says whether every cache has been filled once.
func (i *Informers) HasSynced() bool {
	if !i.clusters.HasSynced() {
		return false
	}
	for _, informer := range i.owned {
		if !informer.HasSynced() {
			return false
		}
	}
	return true
}

// dropManagedFields leaves out what nobody here reads and what is half of an object's size.
func dropManagedFields(obj any) (any, error) {
	if o, err := meta.Accessor(obj); err == nil {
		o.SetManagedFields(nil)
	}
	return obj, nil
}
