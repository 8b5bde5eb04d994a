package operator

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Options are the operator's flags.
type Options struct {
	Kubeconfig           string
	Namespaces           []string
	RedisnodeImage       string
	RedisnodePullPolicy  string
	Workers              int
	LeaderElect          bool
	LeaderElectNamespace string
	HTTPAddress          string
	Resync               time.Duration
	QPS                  float32
	Burst                int
}

// NewOptions are the options with their defaults.
func NewOptions() *Options {
	return &Options{
		RedisnodePullPolicy:  string(corev1.PullIfNotPresent),
		Workers:              4,
		LeaderElect:          true,
		LeaderElectNamespace: os.Getenv("POD_NAMESPACE"),
		HTTPAddress:          ":8080",
		Resync:               10 * time.Minute,
		QPS:                  50,
		Burst:                100,
	}
}

// AddFlags makes the options settable.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig,
		"path of a kubeconfig; inside a cluster the pod's service account is used")
	fs.StringSliceVar(&o.Namespaces, "namespace", o.Namespaces,
		"namespaces to watch, repeated or separated by commas; all when not set")
	fs.StringVar(&o.RedisnodeImage, "redisnode-image", o.RedisnodeImage,
		"image with the redisnode binary, for the sidecar of every pod")
	fs.StringVar(&o.RedisnodePullPolicy, "redisnode-pull-policy", o.RedisnodePullPolicy,
		"pull policy of that image: Always, IfNotPresent or Never")
	fs.IntVar(&o.Workers, "workers", o.Workers, "clusters that are worked on at the same time")
	fs.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "work only while holding the Lease redis-operator")
	fs.StringVar(&o.LeaderElectNamespace, "leader-elect-namespace", o.LeaderElectNamespace,
		"namespace of the Lease; $POD_NAMESPACE by default")
	fs.StringVar(&o.HTTPAddress, "http-address", o.HTTPAddress, "address of /healthz, /readyz and /metrics")
	fs.DurationVar(&o.Resync, "resync", o.Resync, "how often every cluster is looked at without an event")
	fs.Float32Var(&o.QPS, "kube-api-qps", o.QPS, "requests a second to the API server, in the long run")
	fs.IntVar(&o.Burst, "kube-api-burst", o.Burst, "requests to the API server in a burst")
}

// Validate says what is wrong with the options, all of it at once.
func (o *Options) Validate() error {
	var errs []error
	if o.RedisnodeImage == "" {
		errs = append(errs, errors.New("--redisnode-image is required: the image of the sidecar in every pod"))
	}
	policies := []string{string(corev1.PullAlways), string(corev1.PullIfNotPresent), string(corev1.PullNever)}
	if !slices.Contains(policies, o.RedisnodePullPolicy) {
		errs = append(errs, fmt.Errorf("--redisnode-pull-policy %q: must be one of %s",
			o.RedisnodePullPolicy, strings.Join(policies, ", ")))
	}
	if o.Workers < 1 {
		errs = append(errs, fmt.Errorf("--workers %d: must be at least 1", o.Workers))
	}
	if o.LeaderElect && o.LeaderElectNamespace == "" {
		errs = append(errs, errors.New("--leader-elect needs --leader-elect-namespace or $POD_NAMESPACE"))
	}
	for _, ns := range o.Namespaces {
		if problems := validation.IsDNS1123Label(ns); len(problems) > 0 {
			errs = append(errs, fmt.Errorf("--namespace %q: %s", ns, strings.Join(problems, "; ")))
		}
	}
	return errors.Join(errs...)
}

// namespaces are those to watch, each once: what is repeated would be worked on twice.
func (o *Options) namespaces() []string {
	if len(o.Namespaces) == 0 {
		return []string{metav1.NamespaceAll}
	}
	sorted := slices.Clone(o.Namespaces)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
