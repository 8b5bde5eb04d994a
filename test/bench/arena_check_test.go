//go:build bench

package bench

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// TestArena breaks a cluster by hand and sees that what looks at it afterwards notices: a measure that does not know
// what was lost would praise a mover that loses.
func TestArena(t *testing.T) {
	a := newArena(t, redistest.Default(t), newDataset(small, 0.001), 0)
	if err := a.check(t.Context()); err != nil {
		t.Fatalf("nothing is wrong yet: %v", err)
	}
	key := a.data.key(7)
	owner, other := a.ownerOf(t, key)
	value := owner.MustDo(t, "GET", key)
	noticed := func(what string) {
		t.Helper()
		if err := a.check(t.Context()); err == nil {
			t.Errorf("%s: nobody noticed", what)
		}
	}
	owner.MustDo(t, "DEL", key)
	noticed("a key is gone")
	owner.MustDo(t, "SET", key, value+"?")
	noticed("a value is another")
	owner.MustDo(t, "SET", key, value, "EX", "1000")
	noticed("a key has got a time to live")
	owner.MustDo(t, "SET", key, value)
	if err := a.check(t.Context()); err != nil {
		t.Errorf("all is as it was, but: %v", err)
	}

	// The probe writes what belongs there, so that what is broken heals soon: it is broken until that is noticed.
	client := startProbe(t, orders{Addrs: a.addrs(), Data: dataset{Kind: small, Count: 8}, Rate: probeRate})
	defer client.stop(t)
	if l := client.cut(t); l.Errors > 0 {
		t.Errorf("the probe finds %d errors where nothing is wrong: %s", l.Errors, l.FirstError)
	}
	for _, broken := range [][]string{{"DEL", key}, {"SET", key, "short"}, {"LPUSH", key, "x"}} {
		redistest.Eventually(t, overdue, func() error {
			owner.MustDo(t, "DEL", key)
			owner.MustDo(t, broken[0], broken[1:]...)
			if l := client.cut(t); l.Errors == 0 {
				return fmt.Errorf("after %v the probe has seen no error in %d requests", broken, l.Requests)
			}
			return nil
		})
	}

	// Requests that were due while nobody answered have waited for as long, however many of them there were.
	const gap = 200 * time.Millisecond
	client.cut(t)
	for _, server := range a.servers {
		server.Pause(t)
	}
	time.Sleep(gap)
	for _, server := range a.servers {
		server.Resume(t)
	}
	if l := client.cut(t); l.Max < gap || l.P50 < gap/4 || l.Requests < probeRate*int(gap/time.Millisecond)/1000 {
		t.Errorf("the probe does not tell of %v without an answer: %s of %d requests", gap, l, l.Requests)
	}

	slot := strconv.Itoa(int(framework.Slot(key)))
	other.MustDo(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", owner.MustDo(t, "CLUSTER", "MYID"))
	v, err := a.observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.settled(v, 3) == nil {
		t.Error("a slot is open: nobody noticed")
	}
}

// ownerOf is the primary that has a key, and one that has not.
func (a *arena) ownerOf(t *testing.T, key string) (owner, other *redistest.Server) {
	t.Helper()
	v, err := a.observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range v.Members[:primaries] {
		if m.Info.Self().Slots.Has(cluster.Slot(framework.Slot(key))) {
			owner = a.servers[i]
		} else {
			other = a.servers[i]
		}
	}
	return owner, other
}

// TestPooled: three short moves of a round are one row of as many requests, and the halt of one of them is not the p99 of
// all.
func TestPooled(t *testing.T) {
	lap := func(slow, quick int) run {
		took := append(slices.Repeat([]time.Duration{time.Second}, slow), slices.Repeat([]time.Duration{1}, quick)...)
		return run{moving: latencies{Requests: len(took), Took: took, Errors: 1}.sorted()}
	}
	rounds := row{lap(5, 95), lap(0, 300), lap(0, 400)}.pooled()
	if len(rounds) != 1 {
		t.Fatalf("one round is %d rows", len(rounds))
	}
	if l := rounds[0].moving; l.P99 != 1 || l.Max != time.Second || l.Requests != 800 || l.Errors != 3 {
		t.Errorf("of 800 requests, 5 of them slow and 3 refused: %s, %d requests, %d errors", l, l.Requests, l.Errors)
	}
}
