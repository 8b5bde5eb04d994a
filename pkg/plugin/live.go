package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

const (
	askAtOnce  = 16
	askTimeout = 5 * time.Second
	askMax     = 64 << 10 // bytes of an answer
)

// infoCommand is the agent's binary in the container redis; it asks Redis over a socket that only the pod sees.
var infoCommand = []string{"/opt/redisnode/redisnode", "info"}

// Info is what a node says of itself.
type Info struct {
	UsedMemory       int64  `json:"usedMemory"`
	DataBytes        *int64 `json:"dataBytes"` // of UsedMemory; nil when the agent is older than this figure
	MaxMemory        int64  `json:"maxMemory"` // 0: no limit
	Keys             int64  `json:"keys"`
	Role             string `json:"role"` // primary or replica
	ReplOffset       int64  `json:"replOffset"`
	ConnectedClients int64  `json:"connectedClients"`
	Version          string `json:"version"`
}

// LiveInfo is the answer of the node in a pod, or why there is none.
type LiveInfo struct {
	PodName string
	Info    Info
	Err     error
}

// AskFunc asks the node in a pod.
type AskFunc func(ctx context.Context, namespace, pod string) (Info, error)

// ErrForbidden says that the user may not run a command in a pod.
var ErrForbidden = errors.New("you may not create pods/exec")

// askAll asks every node at once. An answer that does not come is a value, not an error.
func (c Clients) askAll(ctx context.Context, rc *redisv1.RedisCluster) []LiveInfo {
	live := make([]LiveInfo, len(rc.Status.Nodes))
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	for i, n := range rc.Status.Nodes {
		group.Go(func() error {
			bounded, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			info, err := c.Ask(bounded, rc.Namespace, n.PodName)
			live[i] = LiveInfo{PodName: n.PodName, Info: info, Err: err}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil
	}
	return live
}

// askByExec asks by running the agent's binary in the container redis.
func askByExec(config *rest.Config, kube kubernetes.Interface) AskFunc {
	return func(ctx context.Context, namespace, pod string) (Info, error) {
		request := kube.CoreV1().RESTClient().Post().
			Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
			VersionedParams(&corev1.PodExecOptions{
				Container: redisv1.ContainerRedis, Command: infoCommand, Stdout: true, Stderr: true,
			}, scheme.ParameterCodec)
		executor, err := newExecutor(config, request)
		if err != nil {
			return Info{}, fmt.Errorf("exec: %w", err)
		}
		out, errs := &boundedBuffer{}, &boundedBuffer{}
		err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: out, Stderr: errs})
		if err != nil {
			return Info{}, execError(err, errs.String())
		}
		return parseInfo(out.Bytes())
	}
}

// newExecutor speaks WebSocket; SPDY to API servers and proxies that do not, and for users who may create pods/exec but
// not get it, which is what API servers before 1.35 ask for with WebSocket.
func newExecutor(config *rest.Config, request *rest.Request) (remotecommand.Executor, error) {
	websocket, err := remotecommand.NewWebSocketExecutor(config, "GET", request.URL().String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(config, "POST", request.URL())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(websocket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// execError is the reason that helps a person most.
func execError(err error, stderr string) error {
	// A refused SPDY upgrade has lost its type on the way.
	if apierrors.IsForbidden(err) || strings.Contains(err.Error(), " is forbidden: ") {
		return ErrForbidden
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer in %s", askTimeout)
	}
	if text := oneLine(stderr); text != "" {
		return errors.New(text)
	}
	return err
}

func parseInfo(text []byte) (Info, error) {
	var info Info
	if err := json.Unmarshal(text, &info); err != nil {
		return Info{}, fmt.Errorf("answer of redisnode info: %w", err)
	}
	return info, nil
}

// boundedBuffer keeps the first bytes, and refuses the rest.
type boundedBuffer struct{ bytes.Buffer }

var errTooLong = errors.New("the answer is too long")

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > askMax {
		return 0, errTooLong
	}
	n, err := b.Buffer.Write(p)
	if err != nil {
		return n, fmt.Errorf("buffer: %w", err)
	}
	return n, nil
}

// formatBytes is a size of at most five characters: 812B, 1.5Mi, 96Mi.
func formatBytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	units := []string{"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}
	size, unit := float64(n)/1024, 0
	for size >= 1000 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	text := fmt.Sprintf("%.1f", size)
	if size >= 9.95 {
		text = fmt.Sprintf("%.0f", size)
	}
	return strings.TrimSuffix(text, ".0") + units[unit]
}
