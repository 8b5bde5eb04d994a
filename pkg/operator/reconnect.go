package operator

import (
	"errors"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// redial is how often it is tried to connect to an API server that is away.
const redial = time.Second

// outlast makes the lists and watches of informers wait for an API server that cannot be connected to: they go on
// within a second of its return. client-go asks ever more seldom instead, after a minute or two every 30 to 60 s, and
// for so long the operator would act on what was. Nothing was sent where no connection was made, so that asking again
// is asking once. What has a deadline of its own (reading one object, writing, the Lease) fails as before.
func outlast(config *rest.Config, pause time.Duration, clk clock.Clock) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			for {
				answer, err := next.RoundTrip(req)
				if !isListOrWatch(req) || !neverConnected(err) {
					return answer, err
				}
				select {
				case <-req.Context().Done():
					return nil, err
				case <-clk.After(pause):
				}
			}
		})
	})
}

// isListOrWatch is true for reads with options: who gets one object has none.
func isListOrWatch(req *http.Request) bool {
	return req.Method == http.MethodGet && req.URL.RawQuery != "" && resourceOf(req.URL.Path) != "leases"
}

func neverConnected(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "dial"
}
