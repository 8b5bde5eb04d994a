package redisnode

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// giveTo has a replica take over from its primary, as the operator does.
func (p *testPod) giveTo(to *testPod) error {
	return p.w.agents.Promote(p.w.t.Context(), to.ip, agent.PromoteRequest{
		Order: to.order(1), Mode: agent.PromoteManual, PrimaryID: p.status().NodeID,
	})
}

// Primaries vote about one primary only once in two node-timeouts, and a replica asks for votes once in four: the third of
// these would stop writes for five seconds, and fail.
func TestFault24_HandOverAgainAtOnce(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	traffic := newTraffic(t, pods)
	traffic.run(100)
	from, to := pods[0], pods[3]
	for range 6 {
		if err := from.giveTo(to); err != nil {
			t.Fatal(err)
		}
		from.awaitStatus("it follows", func(s agent.Status) bool { return s.Role == roleReplica && s.LinkUp })
		traffic.run(20)
		from, to = to, from
	}
	traffic.stop()
	t.Logf("%d acknowledged writes, longest gap %s", traffic.count, traffic.gap.Round(time.Millisecond))
	if traffic.gap > handOverGap {
		t.Errorf("no write for %s", traffic.gap)
	}
	for key, value := range traffic.acked {
		if got, err := strconv.Atoi(pods[1].client("GET", key)); err != nil || got < value {
			t.Fatalf("%s: %d, acknowledged %d: %v", key, got, value, err)
		}
	}
}

// peer is a client with the certificate of an agent.
func (w *world) peer() *agent.Client {
	c := agent.NewClient(agent.NewFileSource(filepath.Join(w.config, "tls")), worldUID, w.clock.Now)
	w.t.Cleanup(c.Close)
	return c
}

// A primary stands still for one replica at a time, until that one says that it does not take over, or for five seconds.
func TestHold(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	primary, peer := pods[0], w.peer()
	first := agent.HoldRequest{Order: primary.order(1), ReplicaID: pods[3].status().NodeID}
	second := agent.HoldRequest{Order: primary.order(1), ReplicaID: "another"}
	write := func() (took time.Duration) {
		start := w.clock.Now()
		if got := primary.client("SET", "{b}k", "v"); got != "OK" {
			t.Errorf("write: %s", got)
		}
		return w.clock.Since(start)
	}
	write()
	held, err := peer.Hold(t.Context(), primary.ip, first)
	must(t, err)
	if held.ByVote != "" || held.Millis <= 0 || held.Millis > leaseBound.Milliseconds() || held.Reign.Slots != "0-5460" || held.Reign.Offset == 0 {
		t.Errorf("%+v", held)
	}
	if _, err = peer.Hold(t.Context(), primary.ip, second); err == nil || !strings.Contains(err.Error(), "stands still for") {
		t.Errorf("it stands still for two: %v", err)
	}
	if err = peer.Release(t.Context(), primary.ip, second); err == nil {
		t.Error("another replica let it go on")
	}
	must(t, peer.Release(t.Context(), primary.ip, first))
	if took := write(); took > 2*leaseBound {
		t.Errorf("a write waited for %s although the primary was released", took)
	}
	asked := w.clock.Now()
	_, err = peer.Hold(t.Context(), primary.ip, first)
	must(t, err)
	write()
	if took := w.clock.Since(asked); took < leaseBound || took > 2*manualBound {
		t.Errorf("writes waited for %s: not for as long as the replica may rely on it, or longer than they must", took)
	}
	if _, err := peer.Hold(t.Context(), pods[3].ip, agent.HoldRequest{Order: pods[3].order(1), ReplicaID: "another"}); err == nil {
		t.Error("a replica stands still")
	}
}
