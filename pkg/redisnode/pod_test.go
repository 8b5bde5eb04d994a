package redisnode

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// testPod is one pod. Its data directory is a volume that outlives it.
type testPod struct {
	w       *world
	name    string
	uid     string
	ip      string
	dataDir string
	runDir  string

	stopAgent context.CancelFunc
	agentDone chan error
	redisDone chan struct{}
	stopRedis context.CancelFunc

	mu      sync.Mutex
	process *os.Process
	log     bytes.Buffer
}

func (p *testPod) options() Options {
	return Options{
		PodName: p.name, PodNamespace: "default", PodUID: p.uid, PodIP: p.ip,
		ClusterName: "demo", ClusterUID: worldUID, ServiceName: "demo",
		DataDir: p.dataDir, RunDir: p.runDir, ConfigDir: p.w.config,
		ListenIP: p.ip, RedisBind: p.ip, Version: "test", Clock: p.w.clock, Resolve: p.w.resolve,
		Conf: p.w.start, Denied: p.w.denied,
		lostBound: p.w.lostBound, markInterval: p.w.markInterval,
	}
}

func (p *testPod) startAgent() {
	p.w.t.Helper()
	a, err := New(p.options())
	must(p.w.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.w.t.Context()))
	done := make(chan error, 1)
	p.stopAgent, p.agentDone = cancel, done
	go func() { done <- a.Run(ctx); close(done) }()
}

// restartAgent is the sidecar crashing and coming back.
func (p *testPod) restartAgent() {
	p.w.t.Helper()
	p.stopAgent()
	must(p.w.t, <-p.agentDone)
	p.startAgent()
}

// startRedis starts the container of redis: it waits at the gate, then becomes the server.
func (p *testPod) startRedis() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.w.t.Context()))
	done := make(chan struct{})
	p.redisDone, p.stopRedis = done, cancel
	go func() {
		defer close(done)
		server, err := Start(ctx, p.runDir, p.w.clock)
		if err != nil {
			return
		}
		cmd := exec.CommandContext(ctx, server.Path, server.Args[1:]...)
		cmd.Stdout, cmd.Stderr = lockedWriter{p}, lockedWriter{p}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if cmd.Start() != nil {
			return
		}
		p.mu.Lock()
		p.process = cmd.Process
		p.mu.Unlock()
		_ = cmd.Wait()
		p.mu.Lock()
		p.process = nil
		p.mu.Unlock()
	}()
}

type lockedWriter struct{ p *testPod }

func (w lockedWriter) Write(data []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.log.Write(data)
}

func (p *testPod) signal(s os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil {
		_ = p.process.Signal(s)
	}
}

// kill ends redis as a crash does.
func (p *testPod) kill() { p.signal(syscall.SIGKILL) }

// stall stops redis where it is: it is silent, and not dead.
func (p *testPod) stall() { p.signal(syscall.SIGSTOP) }

func (p *testPod) resume() { p.signal(syscall.SIGCONT) }

// probe is the word that the kubelet gets.
func (p *testPod) probe(path string) string {
	p.w.t.Helper()
	url := "http://" + net.JoinHostPort(p.ip, strconv.Itoa(agent.ProbePort)) + "/" + path
	req, err := http.NewRequestWithContext(p.w.t.Context(), http.MethodGet, url, http.NoBody)
	must(p.w.t, err)
	resp, err := http.DefaultClient.Do(req)
	must(p.w.t, err)
	defer func() { _ = resp.Body.Close() }()
	word, err := io.ReadAll(resp.Body)
	must(p.w.t, err)
	return strings.TrimSpace(string(word))
}

// remove takes the pod away, gracefully: preStop, SIGTERM, then the sidecar.
func (p *testPod) remove() string {
	p.w.t.Helper()
	result := Stop(p.w.t.Context(), p.runDir)
	p.signal(syscall.SIGTERM)
	p.stopRedisIfHeld()
	// Redis passes over SIGTERM while it writes its first append-only file, and the kubelet sends it once.
	select {
	case <-p.redisDone:
	case <-p.w.clock.After(graceBound):
		p.kill()
		<-p.redisDone
	}
	p.forget()
	return result
}

// lose takes the pod away without warning.
func (p *testPod) lose() {
	p.w.t.Helper()
	p.kill()
	p.stopRedisIfHeld()
	<-p.redisDone
	p.forget()
}

func (p *testPod) stopRedisIfHeld() {
	p.mu.Lock()
	held := p.process == nil
	p.mu.Unlock()
	if held {
		p.stopRedis()
	}
}

func (p *testPod) forget() {
	p.stopAgent()
	must(p.w.t, <-p.agentDone)
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.pods = slices.DeleteFunc(p.w.pods, func(q *testPod) bool { return q == p })
}

// endpoint is the pod's redis for the operator.
func (p *testPod) endpoint() redis.Endpoint {
	return redis.Endpoint{
		Addr:        net.JoinHostPort(p.ip, strconv.Itoa(agent.RedisPort)),
		Credentials: redis.Credentials{Username: agent.UserOperator, Password: canary + fileOperator},
	}
}

// status is what the pod's agent says; nothing when it does not answer.
func (p *testPod) status() agent.Status {
	s, _ := p.ask()
	return s
}

func (p *testPod) ask() (agent.Status, error) {
	ctx, cancel := context.WithTimeout(p.w.t.Context(), statusBound)
	defer cancel()
	return p.w.agents.Status(ctx, p.ip)
}

func (p *testPod) info() *cluster.NodeInfo {
	info, err := p.w.redis.Observe(p.w.t.Context(), p.endpoint())
	if err != nil {
		return nil
	}
	return info
}

// awaitStatus waits until the pod's agent answers with a status that is as wanted, and gives it.
func (p *testPod) awaitStatus(what string, ok func(agent.Status) bool) agent.Status {
	p.w.t.Helper()
	var s agent.Status
	eventually(p.w.t, p.name+": "+what, func() (done bool, seen string) {
		var err error
		s, err = p.ask()
		return err == nil && ok(s), fmt.Sprintf("%+v, %v", s, err)
	})
	return s
}

func running(s agent.Status) bool { return s.Phase == agent.PhaseRunning && s.NodeID != "" }

func synced(s agent.Status) bool { return running(s) && (s.SlotsOwned > 0 || s.LinkUp) }
