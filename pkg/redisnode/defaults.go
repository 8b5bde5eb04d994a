package redisnode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/golang/glog"
	"k8s.io/utils/clock"

	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	// defaultsBound is how long a start may be held up for them. A bare server answers within some milliseconds, or, on
	// a machine that is busy, a second; one that does not start at all is not waited for.
	defaultsBound    = 10 * time.Second
	defaultsInterval = 5 * time.Millisecond
)

// defaults is what the server of the image runs with when nobody tells it anything: what a directive goes back to that
// is taken out of the spec. No list of them is right for all versions, so the server itself is asked.
type defaults struct {
	Server   string            `json:"server"` // what it says of itself
	Settings map[string]string `json:"settings"`
}

func defaultsPath(runDir string) string { return filepath.Join(runDir, "defaults.json") }

// readDefaults are those that were learnt; none when there are none.
func readDefaults(runDir string) defaults {
	var d defaults
	data, err := os.ReadFile(defaultsPath(runDir))
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	if err != nil {
		glog.V(4).Infof("defaults: %v", err)
		return defaults{}
	}
	return d
}

// learnDefaults starts the server alone for a moment, without data, port and configuration, and writes what it runs
// with. It is done once for each version in a pod. A server that does not say keeps nobody from starting.
func learnDefaults(ctx context.Context, runDir string, server Command, version string, c clock.Clock) {
	if version == "" || readDefaults(runDir).Server == version {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defaultsBound)
	defer cancel()
	settings, err := askBare(ctx, runDir, server, c)
	if errors.Is(err, errServerEnded) { // somebody else may have got the port of its bus
		settings, err = askBare(ctx, runDir, server, c)
	}
	if err == nil {
		var data []byte
		if data, err = json.Marshal(defaults{Server: version, Settings: settings}); err == nil {
			err = writeFile(defaultsPath(runDir), data, 0o600)
		}
	}
	if err != nil {
		glog.Warningf("what the server runs with by itself is not known: %v", err)
	}
}

// freePort is a port of this host that nobody has at the moment.
func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

var errServerEnded = errors.New("the server ended at once")

func askBare(ctx context.Context, runDir string, server Command, c clock.Clock) (map[string]string, error) {
	dir, err := os.MkdirTemp(runDir, "bare") // a dataset in the working directory would be loaded
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	socket := filepath.Join(dir, "s")
	bus, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	// A member of a cluster, as what is asked for depends on it: Redis 8 has one database there. A bus cannot be left
	// out, so this one is where no other host reaches it.
	//nolint:gosec // the path is that of the image's server
	bare := exec.CommandContext(ctx, server.Path, "--port", "0", "--dir", dir, "--unixsocket", socket,
		"--cluster-enabled", "yes", "--bind", "127.0.0.1", "--cluster-port", bus)
	if err := bare.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = bare.Wait(); close(ended) }()
	defer func() {
		_ = bare.Process.Kill() // and not asked to stop: it would write a snapshot
		<-ended
	}()
	clients := redis.NewClients(redis.Dialer{})
	defer clients.Close()
	for {
		settings, err := clients.Settings(ctx, redis.Endpoint{Network: "unix", Addr: socket})
		if err == nil {
			return settings, nil
		}
		select {
		case <-ended:
			return nil, errServerEnded
		default:
		}
		if pause(ctx, c, defaultsInterval) != nil {
			return nil, fmt.Errorf("no answer within %v: %w", defaultsBound, err)
		}
	}
}
