package witness

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// The names that are promised to users (docs/architecture.md), and the ports of every node.
const (
	labelCluster = "redisoperator.io/cluster"
	portRedis    = "6379"
	busSuffix    = ":6379@16379"
	slotCount    = 16384
)

// Cluster is where a Redis cluster is, and how to get in.
type Cluster struct {
	Kube            kubernetes.Interface
	Namespace, Name string
	// AuthSecret holds the clients' password; "": the one that the operator makes.
	AuthSecret string

	roster *roster // nil: each has its own
}

// Pod is what Kubernetes says of a pod.
type Pod struct {
	Name, UID, IP, Host string
	Ready, Going        bool
}

// Addr is where its Redis listens.
func (p Pod) Addr() string { return net.JoinHostPort(p.IP, portRedis) }

// Pods are the cluster's pods, by name.
func (c *Cluster) Pods(ctx context.Context) ([]Pod, error) {
	list, err := c.Kube.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labelCluster + "=" + c.Name})
	if err != nil {
		return nil, err
	}
	var pods []Pod
	for i := range list.Items {
		pods = append(pods, podOf(&list.Items[i]))
	}
	slices.SortFunc(pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods, nil
}

func podOf(p *corev1.Pod) Pod {
	pod := Pod{
		Name: p.Name, UID: string(p.UID), IP: p.Status.PodIP, Host: p.Spec.NodeName, Going: p.DeletionTimestamp != nil,
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			pod.Ready = c.Status == corev1.ConditionTrue
		}
	}
	return pod
}

// Password is the password of a user: of the clients' when it is default, or of one of the operator's own.
func (c *Cluster) Password(ctx context.Context, user string) (string, error) {
	name, key := c.Name+"-internal", user+"-password"
	if user == userDefault {
		name, key = cmp.Or(c.AuthSecret, c.Name+"-auth"), "password"
	}
	secret, err := c.Kube.CoreV1().Secrets(c.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return string(secret.Data[key]), nil
}

// The users that a witness is.
const (
	userDefault  = "default"
	userOperator = "operator"
)

// roster knows the cluster's pods, and goes on knowing those it saw last while the API server is away.
type roster struct {
	mu   sync.Mutex
	pods []Pod
}

const (
	rosterPace  = 200 * time.Millisecond
	rosterBound = 2 * time.Second
)

// Follow has whatever is begun from now on share one list of the pods, which is looked at until the context ends: each
// of several would keep the API server at work, beside the cluster that is watched.
func (c *Cluster) Follow(ctx context.Context) (err error) {
	c.roster, err = newRoster(ctx, c)
	return err
}

// follow is the list that is shared, or a new one.
func (c *Cluster) follow(ctx context.Context) (*roster, error) {
	if c.roster != nil {
		return c.roster, nil
	}
	return newRoster(ctx, c)
}

// newRoster begins with one look, which has to succeed, and looks again until the context ends.
func newRoster(ctx context.Context, c *Cluster) (*roster, error) {
	pods, err := c.Pods(ctx)
	if err != nil {
		return nil, err
	}
	r := &roster{pods: pods}
	go func() {
		tick := time.NewTicker(rosterPace)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.look(ctx, c)
			}
		}
	}()
	return r, nil
}

func (r *roster) look(ctx context.Context, c *Cluster) {
	ctx, cancel := context.WithTimeout(ctx, rosterBound)
	defer cancel()
	pods, err := c.Pods(ctx)
	if err != nil {
		return // the API server may be what is broken
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods = pods
}

func (r *roster) known() []Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pods
}

// addresses are those of the pods that are ready, as a Service gives them; of all when none is.
func (r *roster) addresses() []string {
	var serving []Pod
	for _, p := range r.known() {
		if p.Ready && !p.Going {
			serving = append(serving, p)
		}
	}
	if len(serving) == 0 {
		return addresses(r.known())
	}
	return addresses(serving)
}

func addresses(pods []Pod) []string {
	var found []string
	for _, p := range pods {
		if p.IP != "" {
			found = append(found, p.Addr())
		}
	}
	return found
}
