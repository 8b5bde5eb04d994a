package redisnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/glog"
	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// shutdownBound is how long calls under way are waited for when the agent ends.
const shutdownBound = 12 * time.Second

// Agent is the sidecar of one redis.
type Agent struct {
	opts      Options
	startedAt time.Time
	state     *state
	clients   *redis.Clients
	node      *monitor
	peers     *peers
	gate      *gate
	source    agent.Source

	promoting    sync.Mutex
	settling     sync.Mutex
	lease        lease
	lived        atomic.Bool // redis has lived, and its death is not settled
	lastTakeOver atomic.Pointer[agent.TakeOver]
	givenUp      atomic.Pointer[agent.GivenUp]
	remembered   time.Time // when the look was that the record holds; changed with the record

	// Only the monitor's loop uses these.
	askedGivenUp int                          // how often the successor was asked: see countGivenUp
	settled      bool                         // redis has its node-timeout
	hastened     bool                         // a new replica has been made to ping often
	hastenedFor  map[cluster.NodeID]time.Time // the pings whose lack of an answer redis was made to see: see suspect
	owed         owed                         // the node-timeout that redis is to have again, also from a former agent
}

// New makes an agent. It reads its state and starts nothing.
func New(opts Options) (*Agent, error) {
	if err := opts.Complete(); err != nil {
		return nil, err
	}
	record, err := loadState(opts.DataDir, opts.ClusterUID)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		opts:      opts,
		startedAt: opts.Clock.Now(),
		state:     record,
		owed:      readOwed(opts.RunDir),
		clients:   redis.NewClients(redis.Dialer{}),
		source:    agent.NewFileSource(filepath.Join(opts.ConfigDir, "tls")),
	}
	a.node = &monitor{clients: a.clients, endpoint: a.endpoint, clock: opts.Clock}
	a.peers = &peers{
		client:      agent.NewClient(a.source, opts.ClusterUID, opts.Clock.Now),
		resolve:     opts.Resolve,
		service:     opts.ServiceName + "." + opts.PodNamespace + ".svc",
		own:         opts.PodIP,
		podUID:      opts.PodUID,
		clusterUID:  opts.ClusterUID,
		generations: record,
	}
	a.gate = &gate{opts: &a.opts, clock: opts.Clock, state: record, peers: a.peers, settleDeath: a.settleDeath}
	a.lived.Store(true) // before this agent
	return a, nil
}

// endpoint is the pod's own redis. The password is read each time: it may be rotated.
func (a *Agent) endpoint() (redis.Endpoint, error) {
	password, err := readPassword(filepath.Join(a.opts.ConfigDir, fileRedisnode))
	if err != nil {
		return redis.Endpoint{}, err
	}
	return redis.Endpoint{
		Addr:        redisSocket(a.opts.RunDir),
		Network:     "unix",
		Credentials: redis.Credentials{Username: agent.UserRedisnode, Password: password},
	}, nil
}

// Run serves until the context ends. It never stops redis: an agent may be replaced under a running node.
func (a *Agent) Run(ctx context.Context) error {
	defer a.clients.Close()
	defer a.peers.client.Close()
	servers, err := a.listen(ctx)
	if err != nil {
		return err
	}
	glog.Infof("%s: agent %s of %s listens on %s", &a.opts, a.opts.Version, a.opts.ClusterName, a.opts.PodIP)
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range servers {
		group.Go(s.serve)
		group.Go(func() error {
			<-ctx.Done()
			return s.shutdown(ctx)
		})
	}
	group.Go(func() error {
		a.node.run(ctx, func(ctx context.Context, look snapshot) {
			a.remember(ctx, look)
			a.gate.served(look)
			a.settle(ctx, look)
			a.countGivenUp(ctx, look)
			a.suspect(ctx, look)
		})
		return nil
	})
	group.Go(func() error {
		a.guard(ctx)
		return nil
	})
	group.Go(func() error {
		a.keepJoined(ctx)
		return nil
	})
	group.Go(func() error {
		a.keepMarks(ctx)
		return nil
	})
	group.Go(func() error {
		a.keepLink(ctx)
		return nil
	})
	return group.Wait()
}

// listener is one server and where it listens.
type listener struct {
	server *http.Server
	on     net.Listener
	tls    bool
}

func (l listener) serve() error {
	var err error
	if l.tls {
		err = l.server.ServeTLS(l.on, "", "")
	} else {
		err = l.server.Serve(l.on)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (l listener) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownBound)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		return errors.Join(err, l.server.Close())
	}
	return nil
}

// listen opens all sockets, the gate last: who reaches it finds an agent that is complete.
func (a *Agent) listen(ctx context.Context) (servers []listener, err error) {
	defer func() {
		if err != nil {
			for _, s := range servers {
				_ = s.on.Close()
			}
		}
	}()
	var config net.ListenConfig
	tcp := func(port int) (net.Listener, error) {
		return config.Listen(ctx, "tcp", net.JoinHostPort(a.opts.ListenIP, strconv.Itoa(port)))
	}
	id := agent.Identity{ClusterUID: a.opts.ClusterUID, PodUID: a.opts.PodUID}
	api := agent.NewServer(a, id, a.state, a.source, a.opts.Clock.Now)
	on, err := tcp(agent.Port)
	if err != nil {
		return servers, fmt.Errorf("listen for the agent: %w", err)
	}
	servers = append(servers, listener{server: api, on: on, tls: true})
	if on, err = tcp(agent.ProbePort); err != nil {
		return servers, fmt.Errorf("listen for probes: %w", err)
	}
	servers = append(servers, listener{server: newPlainServer(newProbes(a)), on: on})
	path := gateSocket(a.opts.RunDir)
	if err = os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of an agent before this one
		return servers, fmt.Errorf("listen for the gate: %w", err)
	}
	if on, err = config.Listen(ctx, "unix", path); err != nil {
		return servers, fmt.Errorf("listen for the gate: %w", err)
	}
	servers = append(servers, listener{server: newGateServer(ctx, a), on: on})
	// As a file it is only for this user; a socket needs no x.
	return servers, os.Chmod(path, 0o600)
}

func newPlainServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          glog.NewStandardLogger("INFO"),
	}
}
