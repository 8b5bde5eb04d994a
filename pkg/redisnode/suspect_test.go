package redisnode

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

func TestNextSuspicion(t *testing.T) {
	const timeout = 15 * time.Second
	start := time.UnixMilli(1700000000000)
	heard := func(id cluster.NodeID, answered, pinged int) cluster.Heard {
		at := func(s int) time.Time {
			if s < 0 {
				return time.Time{}
			}
			return start.Add(time.Duration(s) * time.Second)
		}
		return cluster.Heard{ID: id, Answered: at(answered), Pinged: at(pinged)}
	}
	for _, test := range []struct {
		name    string
		heard   []cluster.Heard
		timeout time.Duration
		of      cluster.NodeID // "": nobody
		due     int            // seconds after the start
	}{
		{"a ping half a node-timeout after the last answer", []cluster.Heard{heard("a", 0, 7)}, timeout, "a", 15},
		{"a ping at once", []cluster.Heard{heard("a", 0, 0)}, timeout, "", 0},
		{"a ping too young", []cluster.Heard{heard("a", 0, 12)}, timeout, "a", 17},
		{"all answered", []cluster.Heard{heard("a", 0, -1)}, timeout, "", 0},
		{"never heard of", []cluster.Heard{heard("a", -1, 1)}, timeout, "", 0},
		{"the sooner of two", []cluster.Heard{heard("a", 3, 7), heard("b", 1, 7)}, timeout, "b", 16},
		{"a short node-timeout", []cluster.Heard{heard("a", 0, 1)}, 2 * time.Second, "", 0},
	} {
		got, ok := nextSuspicion(test.heard, test.timeout)
		if ok != (test.of != "") || got.of != test.of {
			t.Errorf("%s: suspects %q, want %q", test.name, got.of, test.of)
		}
		if want := start.Add(time.Duration(test.due) * time.Second); ok && !got.due.Equal(want) {
			t.Errorf("%s: due after %s, want %d s", test.name, got.due.Sub(start), test.due)
		}
	}
}

// TestHasten stops a primary under a node-timeout of minutes: the others hold it for failed as soon as their agents say
// so, and have their own node-timeout again.
func TestHasten(t *testing.T) {
	const minutes = 300_000
	w := newWorld(t, fmt.Sprintf("appendonly no\ncluster-node-timeout %d\n", minutes))
	pods := w.form(3, 0)
	silent := cluster.NodeID(pods[1].status().NodeID)
	for _, p := range pods {
		p.awaitTimeout(minutes)
	}
	pods[1].stall()
	defer pods[1].resume()
	witnesses := []*testPod{pods[0], pods[2]}
	for _, p := range witnesses {
		a, err := New(p.options())
		must(t, err)
		t.Cleanup(a.clients.Close)
		ep, err := a.endpoint()
		must(t, err)
		must(t, a.hasten(t.Context(), ep, suspicion{of: silent, pinged: p.awaitSilence(silent)}, strconv.Itoa(minutes)))
		p.awaitTimeout(minutes)
	}
	for _, p := range witnesses {
		eventually(t, p.name+" holds the silent node for failed", func() (bool, string) {
			n, _ := p.info().Table.Find(silent)
			return n.Flags.Fail, fmt.Sprintf("%+v", n.Flags)
		})
	}
}

// TestHasten_AgentKilled has an agent killed while redis has the short node-timeout: the next gives it its own again,
// with no operator to ask for it.
func TestHasten_AgentKilled(t *testing.T) {
	w := newWorld(t, onDisk+"cluster-node-timeout 9000\n")
	p := w.form(3, 0)[0]
	p.awaitTimeout(9000)
	killed := func() {
		p.stopAgent()
		must(t, <-p.agentDone)
		a, err := New(p.options())
		must(t, err)
		defer a.clients.Close()
		must(t, a.shorten(t.Context(), p.endpoint(), owed{Short: "4321", Own: "9000"}))
		p.awaitTimeout(4321)
	}
	killed()
	p.startAgent()
	p.awaitTimeout(9000)

	// What somebody has set since is left alone, and nothing is owed any more.
	killed()
	must(t, w.redis.ConfigSet(t.Context(), p.endpoint(), []redis.Setting{{Name: nodeTimeoutSetting, Value: "8000"}}))
	p.startAgent()
	eventually(t, "nothing is owed", func() (bool, string) {
		_, err := os.Stat(owedPath(p.runDir))
		return os.IsNotExist(err), fmt.Sprint(err)
	})
	p.awaitTimeout(8000)
}

// awaitSilence waits until a node has not answered a ping of this one for a while, and says when that was sent.
func (p *testPod) awaitSilence(of cluster.NodeID) (pinged time.Time) {
	p.w.t.Helper()
	eventually(p.w.t, p.name+" waits for an answer of "+of.Short(), func() (bool, string) {
		text, _, err := p.w.redis.NodesText(p.w.t.Context(), p.endpoint())
		must(p.w.t, err)
		heard, err := cluster.ParseHeard(text)
		must(p.w.t, err)
		for _, h := range heard {
			if h.ID == of {
				pinged = h.Pinged
			}
		}
		return !pinged.IsZero() && time.Since(pinged) > time.Second/2, text
	})
	return pinged
}
