package chaos

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// I4: the operator deletes a pod that serves, or follows; not one that is of no use, nor one of another cluster.
func TestUseful(t *testing.T) {
	t.Parallel()
	table := func(self string) []witness.Node {
		return witness.ReadNodes("a 10.0.0.1:6379@16379 " + self + " 0 0 1 connected")
	}
	served := witness.ReadNodes("a 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5460")
	ready := witness.Pod{Name: "demo-1", Ready: true}
	gone := entry{Verb: "delete"}
	gone.ObjectRef.Resource, gone.ObjectRef.Namespace, gone.ObjectRef.Name = "pods", "shop", "demo-1"
	for name, c := range map[string]struct {
		seen   witness.Seen
		change func(*entry)
		useful bool
	}{
		"a primary":                    {seen: witness.Seen{Pod: ready, Table: served}, useful: true},
		"a replica in sync":            {seen: witness.Seen{Pod: ready, Table: table("myself,slave b"), LinkUp: true}, useful: true},
		"a replica without its link":   {seen: witness.Seen{Pod: ready, Table: table("myself,slave b")}},
		"a node without slots":         {seen: witness.Seen{Pod: ready, Table: table("myself,master -")}},
		"a pod that is not ready":      {seen: witness.Seen{Pod: witness.Pod{Name: "demo-1"}, Table: served}},
		"a pod that nobody saw":        {seen: witness.Seen{Pod: witness.Pod{Name: "demo-2", Ready: true}, Table: served}},
		"one of another namespace":     {seen: witness.Seen{Pod: ready, Table: served}, change: func(e *entry) { e.ObjectRef.Namespace = "other" }},
		"what is written and deleted ": {seen: witness.Seen{Pod: ready, Table: served}, change: func(e *entry) { e.Verb = "patch" }},
		"its claim":                    {seen: witness.Seen{Pod: ready, Table: served}, change: func(e *entry) { e.ObjectRef.Resource = "persistentvolumeclaims" }},
	} {
		e := gone
		if c.change != nil {
			c.change(&e)
		}
		if pod := useful(witness.Look{Seen: []witness.Seen{c.seen}}, "shop", e); (pod != "") != c.useful {
			t.Errorf("%s: %q", name, pod)
		}
	}
}

// I7: with nothing to do the operator writes nothing, and redis gets nothing but questions.
func TestBusy(t *testing.T) {
	t.Parallel()
	before := map[string]int{"info": 5, "config|set": 2, "cluster|nodes": 1}
	for name, c := range map[string]struct {
		written []entry
		after   map[string]int
		busy    bool
	}{
		"it is looked at":          {after: map[string]int{"info": 9, "config|set": 2, "cluster|nodes": 7, "ping": 3}},
		"a status is written":      {written: []entry{{Verb: "update"}}, after: before, busy: true},
		"a setting is set":         {after: map[string]int{"config|set": 3}, busy: true},
		"a node is told to forget": {after: map[string]int{"cluster|forget": 1}, busy: true},
	} {
		if err := busy(c.written, before, c.after); (err != nil) != c.busy {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// I8: a password is found in whatever log it is, of containers that are gone too, and of the control plane; in what is no log
// of ours it is not looked for. Where no container has a log, nothing was looked at.
func TestEachLog(t *testing.T) {
	t.Parallel()
	const secret = "canary-1"
	look := shows(map[string]string{"operator": secret})
	for path, found := range map[string]bool{
		"logs/audit.log": true,
		"nodes/node2/podlogs/shop_demo-1_4ec7/redis/0.log":            true,
		"nodes/node2/podlogs/shop_demo-1_4ec7/redisnode/1.log":        true,
		"nodes/node1/podlogs/redis-operator_op-1_4ec7/operator/0.log": true,
		"nodes/node1/podlogs/kube-system_dns-1_4ec7/dns/0.log":        false,
		"nodes/node1/pv/shop_demo-1/podlogs/users.acl":                false,
	} {
		dir := t.TempDir()
		write := func(path, text string) {
			path = filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(path, "AUTH operator "+secret+"\n")
		write("nodes/node1/podlogs/shop_demo-0_1/redis/0.log", "ready\n")
		err := eachLog(dir, []string{"shop", "redis-operator"}, look)
		if (err != nil) != found || found && !strings.Contains(err.Error(), "user operator is in /"+path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := eachLog(t.TempDir(), []string{"shop"}, look); err == nil {
		t.Error("there was nothing to look at, and that is fine")
	}
}

// I3: what a fault may cost is bounded for writers that do not wait, and nothing for those that do. What counts as lost is
// in TestHistory of package witness.
func TestCharge(t *testing.T) {
	t.Parallel()
	lost := func(n int) []witness.LostWriteError { return slices.Repeat([]witness.LostWriteError{{Key: "k"}}, n) }
	for name, c := range map[string]struct{ plain, waiting, most, wrong int }{
		"nothing":                         {most: 300},
		"as much as may be":               {plain: 300, most: 300},
		"more than that":                  {plain: 301, most: 300, wrong: 1},
		"anything of a fault without any": {plain: 1, wrong: 1},
		"what a replica had":              {waiting: 1, most: 300, wrong: 1},
		"both":                            {plain: 9, waiting: 1, most: 8, wrong: 2},
	} {
		r := Result{}.charge(lost(c.plain), lost(c.waiting), c.most)
		if len(r.Wrong) != c.wrong || r.Lost != c.plain || r.LostWaiting != c.waiting {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// What a fault has been charged with is known; what goes after that is a loss that no fault accounts for.
func TestUncharged(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 23, 20, 33, 55, 0, time.UTC)
	lost := []witness.LostWriteError{
		{Key: "c", At: begin.Add(39 * time.Second)}, {Key: "a", At: begin}, {Key: "b", At: begin.Add(time.Second)},
	}
	w := World{charged: map[string]bool{"a": true, "b": true, "c": true}}
	if err := w.uncharged(lost); err != nil {
		t.Errorf("all of it was counted, and yet: %v", err)
	}
	w.charged = map[string]bool{"a": true}
	err := w.uncharged(lost)
	if err == nil {
		t.Fatal("two writes went after they had been counted, and nobody says so")
	}
	for _, want := range []string{"2 acknowledged writes", "20:33:56.000", "20:34:34.000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
