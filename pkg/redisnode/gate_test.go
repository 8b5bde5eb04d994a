package redisnode

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// The gate writes the addresses that peers have proven, and none of a peer whose old address answers with the
// certificate of another cluster: FAULTS.md, case 43.
func TestFault43_GateWritesNoForeignAddress(t *testing.T) {
	w := newWorld(t, onDisk)
	foreign := nextIP()
	serveStranger(t, w.ca, foreign)
	line := func(id, ip, flags, rest string) string {
		return id + " " + ip + ":6379@16379,,tls-port=0,shard-id=" + id + " " + flags + " - 0 0 " + rest
	}
	a := line(idA, "10.0.0.1", "myself,master", "1 connected 0-5460")
	b := line(idB, "10.0.0.2", "master", "2 connected 5461-10922")
	c := line(idC, foreign, "master", "3 connected 10923-16383")
	const vars = "vars currentEpoch 3 lastVoteEpoch 0"
	write := func(lines ...string) string {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, nodesFile), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "appendonly.aof"), []byte("*"), 0o600))
		return dir
	}
	first := w.placeAgent(0, write(a, b, c, vars))
	second := w.placeAgent(1, write(strings.Replace(b, "master", "myself,master", 1),
		strings.Replace(a, "myself,master", "master", 1), c, vars))
	w.serve(func() []string { return []string{first.ip, second.ip, foreign} })

	server, err := Start(t.Context(), first.runDir, w.clock)
	must(t, err)
	if server.Args[1] != confPath(first.runDir) {
		t.Errorf("started with %v", server.Args)
	}
	wanted := strings.Join([]string{
		strings.Replace(a, "10.0.0.1", first.ip, 1),
		strings.Replace(b, "10.0.0.2", second.ip, 1),
		strings.Replace(strings.Replace(c, foreign+":6379@16379", ":0@0", 1), " master ", " master,noaddr ", 1),
		vars, "",
	}, "\n")
	if got := readString(t, filepath.Join(first.dataDir, nodesFile)); got != wanted {
		t.Errorf("got\n%s\nwanted\n%s", got, wanted)
	}
	if got := directive(readString(t, confPath(first.runDir)), nodeTimeoutSetting, ""); got != "15000" {
		t.Errorf("node-timeout of a node of a cluster: %s", got)
	}
	if s := second.status(); s.NodeID != idB || s.Phase != agent.PhaseGate || !s.Formed || s.Peers != 2 || !s.HasData {
		t.Errorf("held at the gate: %+v", s)
	}
}

// serveStranger is an agent of another cluster that claims to be node C of ours, and lets everybody in.
func serveStranger(t *testing.T, ours agent.CA, ip string) {
	t.Helper()
	c := newStranger(t, ours)
	on, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(ip, strconv.Itoa(agent.Port)))
	must(t, err)
	server := agent.NewServer(stranger{}, agent.Identity{ClusterUID: worldUID, PodUID: "x"}, stranger{}, c, realNow)
	done := make(chan struct{})
	go func() { _ = server.ServeTLS(on, "", ""); close(done) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

func newStranger(t *testing.T, ours agent.CA) agent.Source {
	t.Helper()
	ca, err := agent.NewCA(worldUID, realNow())
	must(t, err)
	certPEM, keyPEM, err := ca.IssueAgent(worldUID, realNow())
	must(t, err)
	credentials, err := agent.NewCredentials(ours.CertPEM, certPEM, keyPEM)
	must(t, err)
	return func() (agent.Credentials, error) { return credentials, nil }
}

type stranger struct{}

func (stranger) Status(context.Context) agent.Status {
	return agent.Status{ClusterUID: worldUID, NodeID: idC, Phase: agent.PhaseRunning}
}
func (stranger) Nodes(context.Context) agent.Nodes { return agent.Nodes{} }
func (stranger) Slots(context.Context) agent.Slots { return agent.Slots{} }
func (stranger) Table(context.Context) agent.Table { return agent.Table{} }
func (stranger) Launch(context.Context) agent.Launch {
	return agent.Launch{}
}

func (stranger) Introduce(context.Context, agent.IntroduceRequest) error {
	return nil
}
func (stranger) Promote(context.Context, agent.PromoteRequest) error { return nil }
func (stranger) Hold(context.Context, agent.HoldRequest) (agent.Hold, error) {
	return agent.Hold{}, nil
}
func (stranger) Release(context.Context, agent.HoldRequest) error  { return nil }
func (stranger) Fence(context.Context, agent.FenceRequest) error   { return nil }
func (stranger) Unfence(context.Context, agent.FenceRequest) error { return nil }
func (stranger) Highest() int64                                    { return 0 }
func (stranger) Raise(int64) error                                 { return nil }
