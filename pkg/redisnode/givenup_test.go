package redisnode

import (
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// A primary that is cut off from its replica takes writes, and is replaced: it says how many of them its successor
// lacks. One that hands over, and one that has lost nothing, says that it is nothing.
func TestFault31_DivergentWritesAreCounted(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	pods[0].operator("ACL", "SETUSER", "replication", "off")
	pods[0].operator("CLIENT", "KILL", "TYPE", "replica")
	pods[3].awaitStatus("it has lost its primary", func(s agent.Status) bool { return !s.LinkUp })
	const lost = 10_000
	if out := pods[0].client("SET", "{b}lost", strings.Repeat("x", lost)); !strings.Contains(out, "OK") {
		t.Fatal(out)
	}
	had := pods[3].status().ReplOffset
	pods[0].awaitStatus("its agent has seen that", func(s agent.Status) bool { return s.ReplOffset >= had+lost })
	pods[3].operator("CLUSTER", "FAILOVER", "TAKEOVER")
	follows := func(p, of *testPod) agent.Status {
		id := of.status().NodeID
		return p.awaitStatus("it follows, and has counted", func(s agent.Status) bool {
			return s.PrimaryID == id && s.LinkUp && s.GivenUp != nil && s.GivenUp.PrimaryID == id
		})
	}
	if got := follows(pods[0], pods[3]).GivenUp.Bytes; got < lost || got > 2*lost {
		t.Errorf("%d bytes are said to be lost, of %d", got, lost)
	}
	if s := pods[3].status(); s.GivenUp != nil {
		t.Errorf("the successor has given up %+v", s.GivenUp)
	}
	pods[0].operator("ACL", "SETUSER", "replication", "on")
	must(t, pods[3].giveTo(pods[0]))
	if got := follows(pods[3], pods[0]).GivenUp.Bytes; got != 0 {
		t.Errorf("%d bytes are said to be lost by a hand-over", got)
	}
	if s := pods[0].status(); s.GivenUp != nil {
		t.Errorf("a primary says of before: %+v", s.GivenUp)
	}
}
