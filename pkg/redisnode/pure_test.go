package redisnode

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// shard is a table: A owned slots, B and C followed it.
func shard(t *testing.T) cluster.Table {
	t.Helper()
	table, err := parseNodesConf(idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5\n" +
		idB + " 10.0.0.2:6379@16379 slave " + idA + " 0 0 1 connected\n" +
		idC + " 10.0.0.3:6379@16379 slave " + idA + " 0 0 1 connected\nvars currentEpoch 1 lastVoteEpoch 0\n")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// A replica that has only begun to load says that it has a copy, which is waited for: it is no copy that is lost.
func TestNextCopy_Loading(t *testing.T) {
	t.Parallel()
	info := &cluster.NodeInfo{Loading: true, Table: shard(t)}
	for i := range info.Table {
		info.Table[i].Flags.Myself = info.Table[i].ID == idB
	}
	s := agent.Status{Phase: agent.PhaseRunning}
	describe(&s, info)
	choice := nextCopy(shard(t), map[cluster.NodeID]peer{idB: {Status: s}, idC: {}})
	if choice.verdict != copyNotYet || choice.peer.Status.NodeID != idB {
		t.Errorf("%+v of %+v", choice, s)
	}
}

// Gossip may not have told yet who follows: who may do so is asked, is waited for, and is believed.
func TestMayFollow(t *testing.T) {
	t.Parallel()
	table := shard(t)
	i := table.Index(idC)
	table[i].Role, table[i].PrimaryID = cluster.Primary, ""
	if got := addressesOfReplicas(table); !slices.Equal(got, []string{"10.0.0.2", "10.0.0.3"}) {
		t.Errorf("asks %v", got)
	}
	found := map[cluster.NodeID]peer{idB: {}}
	if allAnswered(table, found) {
		t.Error("who may follow is not waited for")
	}
	s := agent.Status{
		NodeID: idC, Role: rolePrimary, SlotsOwned: 6, Phase: agent.PhaseRunning, LastTakeOver: &agent.TakeOver{PrimaryID: idA},
	}
	found[idC] = peer{Status: s}
	if got := nextCopy(table, found).verdict; got != copyInCharge || !allAnswered(table, found) {
		t.Errorf("who took over is %v", got)
	}
	table[i].Slots = slots(t, "6-9")
	if got := addressesOfReplicas(table); !slices.Equal(got, []string{"10.0.0.2"}) {
		t.Errorf("asks %v, one of them an owner of slots", got)
	}
}

func TestNextCopy(t *testing.T) {
	t.Parallel()
	replica := func(id string, offset int64) agent.Status {
		return agent.Status{NodeID: id, Role: roleReplica, PrimaryID: idA, ReplOffset: offset, Phase: agent.PhaseRunning}
	}
	stopping := replica(idC, 9)
	stopping.Stopping = true
	held := func(hasData bool) agent.Status {
		return agent.Status{NodeID: idB, PrimaryID: idA, HasData: hasData, Phase: agent.PhaseGate}
	}
	withData := func(s agent.Status) agent.Status {
		s.HasData = true
		return s
	}
	for name, test := range map[string]struct {
		found   []agent.Status
		verdict copyVerdict
		id      string
	}{
		"nobody answers":                                   {},
		"the replica that has most":                        {[]agent.Status{replica(idB, 5), replica(idC, 7)}, copyReady, idC},
		"not one that stops":                               {[]agent.Status{replica(idB, 5), stopping}, copyReady, idB},
		"one that runs before one that will":               {[]agent.Status{held(true), replica(idC, 2)}, copyReady, idC},
		"one that has started empty is no copy":            {[]agent.Status{replica(idB, neverLinked)}, copyNone, ""},
		"one that has data and never had a link is one":    {[]agent.Status{withData(replica(idB, neverLinked))}, copyReady, idB},
		"one of a shard without keys is a copy of nothing": {[]agent.Status{replica(idB, 15)}, copyReady, idB},
		"one that has data and will run":                   {[]agent.Status{held(true)}, copyNotYet, idB},
		"one that is held and empty is no copy":            {[]agent.Status{held(false)}, copyNone, ""},
		"one that has taken over ends the matter": {[]agent.Status{
			replica(idB, 99), {NodeID: idC, Role: rolePrimary, SlotsOwned: 6},
		}, copyInCharge, idC},
		"a primary without slots is no copy": {[]agent.Status{{NodeID: idC, Role: rolePrimary}}, copyNone, ""},
		"one that follows another is no copy": {[]agent.Status{
			{NodeID: idB, Role: roleReplica, PrimaryID: idC},
		}, copyNone, ""},
	} {
		found := map[cluster.NodeID]peer{}
		for _, s := range test.found {
			found[cluster.NodeID(s.NodeID)] = peer{IP: "10.9.9.9", Status: s}
		}
		got := nextCopy(shard(t), found)
		if got.verdict != test.verdict || got.peer.Status.NodeID != test.id {
			t.Errorf("%s: %v %q", name, got.verdict, got.peer.Status.NodeID)
		}
	}
}

func TestShouldMeet(t *testing.T) {
	t.Parallel()
	alone := cluster.Table{{ID: idA, Flags: cluster.Flags{Myself: true}}}
	known := shard(t)
	known[1].Connected = false
	formed := agent.Status{NodeID: idB, Phase: agent.PhaseRunning, Formed: true, Peers: 2}
	with := func(change func(*agent.Status)) agent.Status {
		s := formed
		change(&s)
		return s
	}
	for name, test := range map[string]struct {
		table  cluster.Table
		status agent.Status
		ip     string
		wanted bool
	}{
		"one of a cluster, from one that is alone": {alone, formed, "10.9.9.2", true},
		"one that is alone too":                    {alone, with(func(s *agent.Status) { s.Formed = false }), "10.9.9.2", false},
		"one with slots that knows nobody":         {alone, with(func(s *agent.Status) { s.Peers = 0 }), "10.9.9.2", false},
		"one that does not run":                    {alone, with(func(s *agent.Status) { s.Phase = agent.PhaseGate }), "10.9.9.2", false},
		"one that stops":                           {alone, with(func(s *agent.Status) { s.Stopping = true }), "10.9.9.2", false},
		"one without a name":                       {alone, with(func(s *agent.Status) { s.NodeID = "" }), "10.9.9.2", false},
		"a lost peer at a new address":             {known, formed, "10.9.9.2", true},
		"a lost peer at the address that is known": {known, formed, "10.0.0.2", false},
		"a peer that is connected":                 {known, with(func(s *agent.Status) { s.NodeID = idC }), "10.9.9.3", false},
		"the node itself":                          {known, with(func(s *agent.Status) { s.NodeID = idA }), "10.9.9.1", false},
		"a stranger, from one of a cluster": {
			known, with(func(s *agent.Status) { s.NodeID = strings.Repeat("d", 40) }), "10.9.9.2", false,
		},
	} {
		if got := shouldMeet(test.table, peer{IP: test.ip, Status: test.status}); got != test.wanted {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	self := func(role cluster.Role, slots cluster.SlotSet, linkUp bool) *cluster.NodeInfo {
		return &cluster.NodeInfo{
			LinkUp: linkUp, Table: cluster.Table{{ID: idA, Role: role, Slots: slots, Flags: cluster.Flags{Myself: true}}},
		}
	}
	primary := self(cluster.Primary, cluster.AllSlots(), true)
	loading := *primary
	loading.Loading = true
	for name, test := range map[string]struct {
		look        snapshot
		silent      time.Duration // since it was alive
		gate        gateState
		live, ready bool
	}{
		"a primary with slots":              {look: snapshot{liveness: redis.Answering, info: primary}, live: true, ready: true},
		"a primary without slots":           {look: snapshot{liveness: redis.Answering, info: self(cluster.Primary, cluster.SlotSet{}, true)}, live: true},
		"a replica in sync":                 {look: snapshot{liveness: redis.Answering, info: self(cluster.Replica, cluster.SlotSet{}, true)}, live: true, ready: true},
		"a replica that is not in sync":     {look: snapshot{liveness: redis.Answering, info: self(cluster.Replica, cluster.SlotSet{}, false)}, live: true},
		"one that loads":                    {look: snapshot{liveness: redis.Loading}, live: true},
		"one that loads and gives a table":  {look: snapshot{liveness: redis.Answering, info: &loading}, live: true},
		"one that is busy":                  {look: snapshot{liveness: redis.Busy}, live: true},
		"one that hangs for a while":        {look: snapshot{}, silent: 50 * time.Second, gate: gateState{openedAt: start}, live: true},
		"one that hangs":                    {look: snapshot{}, silent: 70 * time.Second, gate: gateState{openedAt: start}},
		"one that hung before the agent":    {look: snapshot{}, silent: 70 * time.Second},
		"one that was let and never came":   {look: snapshot{dead: true}, silent: 70 * time.Second, gate: gateState{openedAt: start}},
		"one that has not asked for leave":  {look: snapshot{dead: true}, silent: time.Hour, live: true},
		"one that the gate holds for hours": {look: snapshot{dead: true}, silent: time.Hour, gate: gateState{holding: true}, live: true},
		"one that is being stopped":         {look: snapshot{liveness: redis.Answering, info: primary}, gate: gateState{stopping: true}, live: true},
	} {
		fake := clocktesting.NewFakeClock(start.Add(test.silent))
		a := &Agent{opts: Options{Clock: fake}, startedAt: start}
		test.look.at = fake.Now()
		a.node = &monitor{clock: fake, last: test.look, aliveAt: start}
		a.gate = &gate{holding: test.gate.holding, openedAt: test.gate.openedAt, stopping: test.gate.stopping}
		probes := newProbes(a)
		for path, wanted := range map[string]bool{"/live": test.live, "/ready": test.ready, "/healthz": true} {
			w := httptest.NewRecorder()
			probes.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if got := w.Code == http.StatusOK; got != wanted || len(w.Body.String()) != 3 {
				t.Errorf("%s: %s: %d %q", name, path, w.Code, w.Body)
			}
		}
		fake.Step(10 * time.Second)
		if a.ready() {
			t.Errorf("%s: ready after ten seconds without a look", name)
		}
	}
}

func TestInstall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 { // again, over the first
		if err := Install(dir); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "redisnode"))
	if err != nil || info.Mode() != 0o755 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
	if err := Install(filepath.Join(dir, "missing")); err == nil {
		t.Error("installs into nothing")
	}
}

// A pod is stopped whether the agent is there or not, and a start waits for it.
func TestStartStop_WithoutAgent(t *testing.T) {
	dir := t.TempDir()
	if got := Stop(t.Context(), dir); !strings.Contains(got, "no hand-over") || !strings.Contains(got, "is not there") {
		t.Errorf("stop: %s", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	t.Setenv("PATH", fakeServer(t))
	if command, err := Start(ctx, dir, clock.RealClock{}); err == nil {
		t.Errorf("started: %v", command)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Start(t.Context(), dir, clock.RealClock{}); err == nil || !strings.Contains(err.Error(), "has no server") {
		t.Errorf("an image without a server: %v", err)
	}
}

func fakeServer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "valkey-server"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if err := (&Options{PodIP: "x"}).Complete(); err == nil || !strings.Contains(err.Error(), "POD_NAME is not set") ||
		!strings.Contains(err.Error(), `POD_IP "x"`) {
		t.Errorf("%v", err)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	load := func(uid string) *state {
		t.Helper()
		s, err := loadState(dir, uid)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := load("a")
	changed := s.wait()
	for _, generation := range []int64{5, 3} { // it never goes back
		if err := s.Raise(generation); err != nil {
			t.Fatal(err)
		}
	}
	<-changed
	if err := s.change(func(r *record) { r.Fenced, r.StaleSnapshot = true, "1 byte" }); err != nil {
		t.Fatal(err)
	}
	if got := load("a").read(); got != (record{ClusterUID: "a", Generation: 5, Fenced: true, StaleSnapshot: "1 byte"}) {
		t.Errorf("%+v", got)
	}
	if got := load("b").read(); got != (record{ClusterUID: "b", StaleSnapshot: "1 byte"}) {
		t.Errorf("of another cluster: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // of what may have been a fence
		if got := load("a").read(); !got.Fenced || !strings.Contains(got.Doubt, "may have held a fence") || got.Generation != 0 {
			t.Errorf("corrupt: %+v", got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, stateFile+".corrupt")); err != nil {
		t.Error(err)
	}
}
