package redisnode

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/golang/glog"
)

// The paths of the gate's API on its unix socket, for the container of redis only.
const (
	pathStart = "/v1/start"
	pathStop  = "/v1/stop"
	pathInfo  = "/v1/info"
	// pathLift lifts a fence, for a person who may exec into the pod.
	pathLift = "/v1/unfence"

	// keyVersion is the parameter of a start that says what will start.
	keyVersion = "version"
)

// leave is the answer to a start: it may start now.
type leave struct {
	// Conf is the path of the finished redis.conf.
	Conf string `json:"conf,omitempty"`
	// Error says why it may not.
	Error string `json:"error,omitempty"`
}

// stopped is the answer to a stop, and to the end of a fence: what was done.
type stopped struct {
	Result string `json:"result"`
}

// newGateServer answers the container of redis. A start is answered when the gate opens; its caller hanging up,
// and the end of the agent, end the wait.
func newGateServer(ctx context.Context, a *Agent) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathStart, func(w http.ResponseWriter, r *http.Request) {
		server := parseVersion(r.URL.Query().Get(keyVersion))
		a.gate.set(func() { a.gate.server = server })
		conf, err := a.gate.open(r.Context())
		if err != nil {
			answer(w, http.StatusServiceUnavailable, leave{Error: err.Error()})
			return
		}
		answer(w, http.StatusOK, leave{Conf: conf})
	})
	mux.HandleFunc("POST "+pathStop, func(w http.ResponseWriter, r *http.Request) {
		// Who asked may be killed while it waits: the hand-over goes on.
		answer(w, http.StatusOK, stopped{Result: a.handOver(context.WithoutCancel(r.Context()))})
	})
	mux.HandleFunc("POST "+pathInfo, func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, a.nodeInfo(r.Context()))
	})
	mux.HandleFunc("POST "+pathLift, func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, stopped{Result: a.unfenceByHand(r.Context())})
	})
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    8 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		glog.V(4).Infof("answer: %v", err) // The caller has gone.
	}
}
