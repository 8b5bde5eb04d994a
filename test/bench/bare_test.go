//go:build bench

package bench

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

const (
	bareTime  = 5 * time.Second
	bareSlots = 400 // of each source, whose keys are sent
)

// bareKeys are the keys of one bare MIGRATE: fewer and more than the 16 that our mover begins with.
var bareKeys = []int{4, 8, 16, 32}

// bareRun is MIGRATE beside the probe, and nothing else: no mover, no slot that changes hands, no key that goes. What the
// client notices of that is what servers of this kind make of it on this machine, whoever asks them.
type bareRun struct {
	masters      int // afterwards, if it moved anything: three sources when four, one when three
	keys         int // of one MIGRATE
	rate         float64
	each         latencies // of one MIGRATE
	idle, moving latencies
}

// bare sends, evenly, as many keys a second as are asked of a mover beside the probe, from as many sources as give when
// a primary joins, and when one leaves. The keys are copied: they stay where they are.
func (b *bout) bare(t *testing.T, round int) {
	t.Helper()
	a := b.arena
	client := startProbe(t, orders{Addrs: a.addrs(), Data: a.data, Rate: probeRate})
	defer client.stop(t)
	time.Sleep(warmUp)
	for _, masters := range []int{4, 3} {
		var asked float64
		for _, peer := range b.row(b.movers[0].name, masters, true) {
			if peer.round == round {
				asked = askedSpeed * float64(peer.keys) / peer.wall.Seconds()
			}
		}
		a.await(t, 3)
		sources := 1
		if masters == primaries {
			sources = last
		}
		for _, keys := range bareKeys {
			r := bareRun{masters: masters, keys: keys}
			senders := a.lend(t, sources, keys)
			client.cut(t)
			time.Sleep(idleTime)
			r.idle = client.cut(t)
			stop := polite(t)
			r.each, r.rate = send(t, senders, asked)
			stop()
			r.moving = client.cut(t)
			a.forgetLent(t, senders)
			b.bares = append(b.bares, r)
			t.Logf("bare MIGRATE of %d keys from %d at %.0f keys/s: each %s; idle %s, moving %s",
				keys, sources, r.rate, r.each, r.idle, r.moving)
		}
	}
	a.verify(t)
}

// lender is a primary whose keys are copied to the last one.
type lender struct {
	wire  *wire
	slots []string
	batch [][]string // MIGRATEs, each of keys of one slot
}

// lend has the last primary import slots of so many others, and makes the commands, each of so many keys at most.
func (a *arena) lend(t *testing.T, sources, atOnce int) []*lender {
	t.Helper()
	v, err := a.observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := a.servers[last].Peer()
	head := []string{"MIGRATE", to.IP, strconv.Itoa(to.Port), "", "0", "5000", "COPY", "REPLACE", "KEYS"}
	lenders := make([]*lender, sources)
	for i := range lenders {
		w, err := dialWire(t.Context(), a.servers[i].Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.close)
		l := &lender{wire: w}
		lenders[i] = l
		slots := v.Members[i].Info.Self().Slots.Take(bareSlots)
		for slot := range slots.All() {
			n := strconv.Itoa(int(slot))
			a.servers[last].MustDo(t, "CLUSTER", "SETSLOT", n, "IMPORTING", string(a.ids[i]))
			l.slots = append(l.slots, n)
		}
		for _, keys := range a.keysOf(slots) {
			for some := range slices.Chunk(keys, atOnce) {
				l.batch = append(l.batch, slices.Concat(head, some))
			}
		}
	}
	return lenders
}

// keysOf are the keys of each of the slots that has any.
func (a *arena) keysOf(slots cluster.SlotSet) [][]string {
	in := make([][]string, cluster.SlotCount)
	for i := range a.data.Count {
		key := a.data.key(i)
		if slot := framework.Slot(key); slots.Has(cluster.Slot(slot)) {
			in[slot] = append(in[slot], key)
		}
	}
	return slices.DeleteFunc(in, func(keys []string) bool { return len(keys) == 0 })
}

// send sends so many keys a second, from each lender in turn, or as many as it can: it says how many.
func send(t *testing.T, lenders []*lender, asked float64) (latencies, float64) {
	t.Helper()
	runtime.LockOSThread() // as the probe does: timers of Go are a millisecond late
	defer runtime.UnlockOSThread()
	var took []time.Duration
	sum, begun, due := 0, time.Now(), time.Now()
	for n := 0; time.Since(begun) < bareTime; n++ {
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			left := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&left, nil) // cut short by a signal: the loop sees to it
		}
		l := lenders[n%len(lenders)]
		words := l.batch[n/len(lenders)%len(l.batch)]
		keys := len(words) - slices.Index(words, "KEYS") - 1
		due = due.Add(time.Duration(float64(keys) / asked * float64(time.Second)))
		sent := time.Now()
		l.wire.send(words...)
		err := l.wire.flush()
		var got answer
		if err == nil {
			got, err = l.wire.read()
		}
		if err == nil {
			err = got.err()
		}
		if err != nil {
			t.Fatalf("bare MIGRATE: %v", err)
		}
		took, sum = append(took, time.Since(sent)), sum+keys
	}
	rate := float64(sum) / time.Since(begun).Seconds()
	slices.Sort(took)
	return latencies{Requests: len(took), P50: took[len(took)/2], P99: took[len(took)*99/100], Max: took[len(took)-1]}, rate
}

// forgetLent throws the copies away. The last primary has nothing else while it owns no slot.
func (a *arena) forgetLent(t *testing.T, lenders []*lender) {
	t.Helper()
	a.servers[last].MustDo(t, "FLUSHALL")
	for _, l := range lenders {
		for _, slot := range l.slots {
			a.servers[last].MustDo(t, "CLUSTER", "SETSLOT", slot, "STABLE")
		}
	}
}

// bareTable is what came of it.
func (b *bout) bareTable(out *strings.Builder) {
	if len(b.bares) == 0 {
		return
	}
	fmt.Fprintf(out, "\nNo mover: MIGRATE of keys of a slot, copied, evenly, as fast as is asked of a mover; no slot changes hands. "+
		"It is what a client notices of MIGRATE itself.\n\n| bare MIGRATE beside %d op/s | keys of each | keys/s | one takes p50 / "+
		"p99 / max ms | idle p50 / p99 / max ms | moving p50 / p99 / max ms | p99 moving ÷ idle |\n|---|---|---|---|---|---|---|\n",
		probeRate)
	for _, masters := range []int{4, 3} {
		for _, keys := range bareKeys {
			bareRow(out, masters, keys, slices.DeleteFunc(slices.Clone(b.bares), func(r bareRun) bool {
				return r.masters != masters || r.keys != keys
			}))
		}
	}
}

// bareRow is the rounds of one of them.
func bareRow(out *strings.Builder, masters, keys int, rounds []bareRun) {
	var each, idle, moving row
	var rates, slower []float64
	for _, r := range rounds {
		each, idle, moving = append(each, run{idle: r.each}), append(idle, run{idle: r.idle}), append(moving, run{idle: r.moving})
		rates = append(rates, r.rate)
		slower = append(slower, float64(r.moving.P99)/float64(max(1, r.idle.P99)))
	}
	of := func(r run) latencies { return r.idle }
	s := spreadOf(slower)
	fmt.Fprintf(out, "| from %s | %d | %.0f | %s | %s | %s | %.2f [%.2f..%.2f] |\n",
		map[int]string{4: "three sources, as in 3 → 4", 3: "one source, as in 4 → 3"}[masters], keys, spreadOf(rates).mid,
		each.latencies(of), idle.latencies(of), moving.latencies(of), s.mid, s.low, s.high)
}
