package operator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
)

// freePort is an address at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// ask sends a request as the operator's clients do.
func ask(ctx context.Context, clk clock.Clock, method, url string) (int, error) {
	config := &rest.Config{}
	outlast(config, time.Hour, clk)
	client := &http.Client{Transport: config.WrapTransport(&http.Transport{})}
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// The API server is away and comes back: who lists or watches goes on at the next try, and has not heard of it.
func TestFault16_WatchesGoOnWhenTheAPIServerIsBack(t *testing.T) {
	t.Parallel()
	address, clk := freePort(t), testingclock.NewFakeClock(time.Now())
	type reply struct {
		status int
		err    error
	}
	replies := make(chan reply, 1)
	go func() {
		status, err := ask(t.Context(), clk, http.MethodGet, "http://"+address+"/api/v1/pods?watch=true")
		replies <- reply{status, err}
	}()
	again := func() { // the request waits, and time passes
		for !clk.HasWaiters() {
			select {
			case r := <-replies:
				t.Fatalf("status %d, error %v before the server was there", r.status, r.err)
			case <-time.After(time.Millisecond):
			}
		}
		clk.Step(time.Hour)
	}
	for range 5 {
		again()
	}
	for !clk.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("somebody else has taken %s: %v", address, err)
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	clk.Step(time.Hour)
	if r := <-replies; r.err != nil || r.status != http.StatusNoContent {
		t.Errorf("status %d, error %v", r.status, r.err)
	}
}

// What somebody waits for with a deadline fails at once, and a watch that is not wanted any more ends.
func TestOutlast_OnlyInformers(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	for _, tc := range []struct {
		ctx            context.Context //nolint:containedctx // of a case
		method, suffix string
	}{
		{t.Context(), http.MethodGet, "/api/v1/namespaces/shop/pods/demo-0"},
		{t.Context(), http.MethodPut, "/api/v1/namespaces/shop/pods/demo-0?fieldManager=me"},
		{t.Context(), http.MethodGet, "/apis/coordination.k8s.io/v1/namespaces/op/leases/redis-operator?x=y"},
		{ended, http.MethodGet, "/api/v1/pods?watch=true"},
	} {
		_, err := ask(tc.ctx, testingclock.NewFakeClock(time.Now()), tc.method, "http://"+freePort(t)+tc.suffix)
		if _, isNet := errors.AsType[net.Error](err); !isNet && !errors.Is(err, context.Canceled) {
			t.Errorf("%s %s: %v", tc.method, tc.suffix, err)
		}
	}
}
