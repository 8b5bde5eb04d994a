package operator

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
)

// countRequests makes a client count its requests to the API server by method and resource: what an idle
// operator sends is one of its promises, and this is where it can be seen.
func countRequests(config *rest.Config, r prometheus.Registerer) error {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "redis_operator_api_requests_total",
		Help: "Requests to the API server, by method and resource. A watch counts when it begins.",
	}, []string{"method", "resource"})
	if err := r.Register(requests); err != nil {
		return err
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			requests.WithLabelValues(req.Method, resourceOf(req.URL.Path)).Inc()
			return next.RoundTrip(req)
		})
	})
	return nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// resourceOf is the resource in a path of the API: pods of /api/v1/namespaces/default/pods/demo-0.
func resourceOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return ""
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	return parts[0]
}
