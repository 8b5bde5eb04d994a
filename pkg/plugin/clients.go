package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned"
)

// ErrNoAPI says that the API server does not know RedisClusters.
var ErrNoAPI = errors.New("this Kubernetes does not know RedisClusters: is redis-operator installed?")

// Clients is how the plugin reaches Kubernetes.
type Clients struct {
	Redis versioned.Interface
	Kube  kubernetes.Interface
	Ask   AskFunc
	// Namespace is the one that was asked for; "" for all.
	Namespace string
}

// Connect makes clients from kubectl's flags and kubeconfig.
func Connect(flags *genericclioptions.ConfigFlags) (Clients, error) {
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return Clients{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return Clients{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	redisClient, err := versioned.NewForConfig(config)
	if err != nil {
		return Clients{}, fmt.Errorf("client of RedisClusters: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Clients{}, fmt.Errorf("client of Kubernetes: %w", err)
	}
	return Clients{Redis: redisClient, Kube: kube, Ask: askByExec(config, kube), Namespace: namespace}, nil
}

// list is the RedisClusters, by namespace and name.
func (c Clients) list(ctx context.Context) (*redisv1.RedisClusterList, error) {
	list, err := c.Redis.RedisoperatorV1().RedisClusters(c.Namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, ErrNoAPI
	}
	if err != nil {
		return nil, fmt.Errorf("list RedisClusters: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b redisv1.RedisCluster) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for i := range list.Items {
		redisv1.SetDefaults(&list.Items[i])
	}
	return list, nil
}

func (c Clients) get(ctx context.Context, name string) (*redisv1.RedisCluster, error) {
	rc, err := c.Redis.RedisoperatorV1().RedisClusters(c.Namespace).Get(ctx, name, metav1.GetOptions{})
	if unknownAPI(err) {
		return nil, ErrNoAPI
	}
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("there is no RedisCluster %s in namespace %s", name, c.Namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("get RedisCluster %s: %w", name, err)
	}
	redisv1.SetDefaults(rc)
	return rc, nil
}

// unknownAPI is true for the API server's bare "404 page not found", which is not about one object.
func unknownAPI(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}

// events are the events about a RedisCluster, and the warnings about its pods and volumes.
func (c Clients) events(ctx context.Context, rc *redisv1.RedisCluster) ([]corev1.Event, error) {
	selectors := []fields.Selector{
		fields.SelectorFromSet(fields.Set{"involvedObject.kind": "RedisCluster", "involvedObject.name": rc.Name}),
		fields.SelectorFromSet(fields.Set{"type": corev1.EventTypeWarning}),
	}
	var found []corev1.Event
	for _, s := range selectors {
		list, err := c.Kube.CoreV1().Events(rc.Namespace).List(ctx, metav1.ListOptions{FieldSelector: s.String()})
		if err != nil {
			return nil, fmt.Errorf("list events: %w", err)
		}
		found = append(found, list.Items...)
	}
	return found, nil
}
