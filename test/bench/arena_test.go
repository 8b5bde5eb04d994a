//go:build bench

package bench

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

const (
	// primaries is the number of primaries; the last of them joins and leaves.
	primaries = 4
	last      = primaries - 1
)

// arena is a cluster of four primaries with data, in which slots are moved to and fro. It knows what it has to hold.
type arena struct {
	clients  *redis.Clients
	servers  []*redistest.Server // the primaries, then the replicas: replica i follows primary i modulo the primaries
	ids      []cluster.NodeID
	data     dataset
	keys     int64
	digest   [sha1.Size]byte
	versions []string
}

// newArena starts a cluster whose slots are with three of its four primaries, and fills it.
func newArena(t *testing.T, engine redistest.Engine, data dataset, replicas int) *arena {
	t.Helper()
	three := redistest.Join(t, startServers(t, engine, last*(1+replicas)), last)
	fourth := startServers(t, engine, 1+replicas)
	a := &arena{clients: three.Clients, data: data, versions: make([]string, primaries)}
	for i := range replicas + 1 {
		a.servers = append(a.servers, three.Servers[i*last:(i+1)*last]...)
		a.servers = append(a.servers, fourth[i])
	}
	for _, s := range a.servers {
		node, err := a.clients.Observe(t.Context(), s.Endpoint())
		if err != nil {
			t.Fatal(err)
		}
		a.ids = append(a.ids, node.Self().ID)
	}
	a.join(t)
	a.patient(t)
	if err := a.fill(t.Context()); err != nil {
		t.Fatalf("fill: %v", err)
	}
	a.await(t, 3)
	var err error
	if a.keys, err = a.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := int64(data.Count); a.keys != want {
		t.Fatalf("%d keys of %d are there", a.keys, want)
	}
	if a.digest, err = a.sum(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// memoryDir is a directory in memory for what servers write and sync; "" when there is none.
func memoryDir() string {
	if named := os.Getenv("BENCH_DIR"); named != "" {
		return named
	}
	const shared = "/dev/shm"
	if _, err := os.Stat(shared); err != nil {
		return ""
	}
	return shared
}

// startServers starts servers as the operator configures them, each with its nodes.conf in a directory of its own.
func startServers(t *testing.T, engine redistest.Engine, count int) []*redistest.Server {
	t.Helper()
	var servers []*redistest.Server
	for range count {
		// With replica migration a primary would follow whoever takes its last slot.
		config := []string{"cluster-allow-replica-migration no"}
		if memory := memoryDir(); memory != "" {
			dir, err := os.MkdirTemp(memory, "redis-bench-") //nolint:usetesting // t.TempDir may be on a disk
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			config = append(config, "cluster-config-file "+filepath.Join(dir, "nodes.conf"))
		}
		servers = append(servers, redistest.Start(t, redistest.Options{Engine: engine, Config: config}))
	}
	return servers
}

// patient has nobody held for failed while a digest is made, which stops a server for seconds on a busy machine.
func (a *arena) patient(t *testing.T) {
	t.Helper()
	for _, s := range a.servers {
		s.MustDo(t, "CONFIG", "SET", "cluster-node-timeout", "60000")
	}
}

// join introduces the fourth primary and its replicas to all others.
func (a *arena) join(t *testing.T) {
	t.Helper()
	for i := range a.servers {
		var peers []redis.Peer
		for j, s := range a.servers {
			if j != i && (i%primaries == last || j%primaries == last) {
				peers = append(peers, s.Peer())
			}
		}
		if err := a.clients.Meet(t.Context(), a.servers[i].Endpoint(), peers); err != nil {
			t.Fatal(err)
		}
	}
	redistest.Eventually(t, time.Minute, func() error {
		for i := last + primaries; i < len(a.servers); i += primaries {
			if err := a.clients.Replicate(t.Context(), a.servers[i].Endpoint(), a.ids[last]); err != nil {
				return err
			}
		}
		return nil
	})
	a.await(t, 3)
}

func (a *arena) addrs() []string {
	addrs := make([]string, primaries)
	for i := range addrs {
		addrs[i] = a.servers[i].Addr()
	}
	return addrs
}

// observe is what every node of the cluster says, as the operator would see it.
func (a *arena) observe(ctx context.Context) (cluster.View, error) {
	eps := make([]redis.Endpoint, len(a.servers))
	for i, s := range a.servers {
		eps[i] = s.Endpoint()
	}
	var v cluster.View
	for i, seen := range a.clients.ObserveAll(ctx, eps) {
		if seen.Err != nil {
			return v, seen.Err
		}
		name := "bench-" + strconv.Itoa(i)
		v.Members = append(v.Members, cluster.Member{Info: seen.Info, Pod: cluster.Pod{
			Name: name, UID: name, Ordinal: i, IP: a.servers[i].IP, Host: "host", State: cluster.PodRunning, Ready: true,
		}})
	}
	v.Hosts = []cluster.Host{{Name: "host"}}
	return v.Studied(), nil
}

// holdings is what the primaries own, as a balance over this many of them wants to be told. For a moment after a move
// two may say that they own a slot: Owners knows who does.
func (a *arena) holdings(v cluster.View, masters int) []cluster.Holding {
	holdings := make([]cluster.Holding, primaries)
	for i := range holdings {
		holdings[i] = cluster.Holding{Node: a.ids[i], Leaves: i >= masters}
	}
	for _, claim := range v.Owners() {
		holdings[slices.Index(a.ids, claim.Node)].Slots = claim.Slots
	}
	return holdings
}

// await waits until the slots are shared by this many primaries, in fair parts, and all nodes agree on that.
func (a *arena) await(t *testing.T, masters int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		v, err := a.observe(ctx)
		if err == nil {
			err = a.settled(v, masters)
		}
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			nodes := (&redistest.Cluster{Servers: a.servers}).Nodes(t.Context())
			t.Fatalf("%d primaries do not come to share the slots: %v\n%s", masters, err, nodes)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// settled says what is not as it has to be after a move.
func (a *arena) settled(v cluster.View, masters int) error {
	var all cluster.SlotSet
	for i, m := range v.Members[:primaries] {
		self := m.Info.Self()
		a.versions[i] = m.Info.Version
		have := self.Slots.Len()
		// redis-cli leaves a difference of a slot or two.
		if fair := cluster.SlotCount / masters; i < masters && (have < fair-2 || have > fair+2) || i >= masters && have > 0 {
			return fmt.Errorf("primary %d of %d has %d slots", i, masters, have)
		}
		if !all.Intersect(self.Slots).IsEmpty() {
			return fmt.Errorf("primary %d has slots of another: %s", i, all.Intersect(self.Slots))
		}
		all = all.Union(self.Slots)
	}
	if all != cluster.AllSlots() {
		return fmt.Errorf("nobody has slots %s", cluster.AllSlots().Minus(all))
	}
	for i, m := range v.Members {
		if err := a.agrees(v, m.Info); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

// agrees says what a node sees otherwise than the primaries themselves.
func (a *arena) agrees(v cluster.View, info *cluster.NodeInfo) error {
	switch self := info.Self(); {
	case !info.StateOK:
		return errors.New("cluster_state is not ok")
	case !info.LinkUp:
		return errors.New("its link is down")
	case len(self.Open) > 0:
		return fmt.Errorf("%d slots are open", len(self.Open))
	case len(info.Tasks) > 0:
		return fmt.Errorf("%d tasks run", len(info.Tasks))
	case len(info.Table) != len(a.servers):
		return fmt.Errorf("it knows %d nodes of %d", len(info.Table), len(a.servers))
	}
	for i, m := range v.Members[:primaries] {
		if there, _ := info.Table.Find(a.ids[i]); there.Slots != m.Info.Self().Slots || !there.Connected ||
			there.Flags.Fail || there.Flags.PFail {
			return fmt.Errorf("it sees primary %d with %d slots, connected: %v, as %+v", i, there.Slots.Len(),
				there.Connected, there.Flags)
		}
	}
	return nil
}

// each does something with each primary, at the same time.
func (a *arena) each(ctx context.Context, do func(context.Context, int, *wire) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range primaries {
		group.Go(func() error {
			w, err := dialWire(ctx, a.servers[i].Addr())
			if err != nil {
				return err
			}
			defer w.close()
			return do(ctx, i, w)
		})
	}
	return group.Wait()
}

// fill makes the keys, each where it belongs.
func (a *arena) fill(ctx context.Context) error {
	v, err := a.observe(ctx)
	if err != nil {
		return err
	}
	return a.each(ctx, func(_ context.Context, i int, w *wire) error {
		mine := v.Members[i].Info.Self().Slots
		return w.all(func(yield func([]string) bool) {
			for k := range a.data.Count {
				if !mine.Has(cluster.Slot(framework.Slot(a.data.key(k)))) {
					continue
				}
				for _, words := range a.data.create(k) {
					if !yield(words) {
						return
					}
				}
			}
		}, nil)
	})
}

// count is the number of keys in all primaries. A key in a slot that its node does not own is an error.
func (a *arena) count(ctx context.Context) (int64, error) {
	v, err := a.observe(ctx)
	if err != nil {
		return 0, err
	}
	var mu sync.Mutex
	var total int64
	err = a.each(ctx, func(_ context.Context, i int, w *wire) error {
		mine := v.Members[i].Info.Self().Slots
		var slot cluster.Slot
		var own, strays int64
		asked := w.all(func(yield func([]string) bool) {
			for s := range cluster.SlotCount {
				if !yield([]string{"CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(s)}) {
					return
				}
			}
		}, func(got answer) error {
			keys, bad := strconv.ParseInt(got.text, 10, 64)
			if mine.Has(slot) {
				own += keys
			} else {
				strays += keys
			}
			slot++
			return bad
		})
		switch size := v.Members[i].Info.Keys; {
		case asked != nil:
			return asked
		case strays > 0:
			return fmt.Errorf("primary %d has %d keys in slots that it does not own", i, strays)
		case size != own:
			return fmt.Errorf("primary %d has %d keys, and %d in its slots", i, size, own)
		}
		mu.Lock()
		defer mu.Unlock()
		total += own
		return nil
	})
	return total, err
}

// sum is a digest of every key and value, wherever they are.
func (a *arena) sum(ctx context.Context) (total [sha1.Size]byte, err error) {
	// What the digest of a database begins with: see computeDatasetDigest of the servers.
	first := sha1.Sum(make([]byte, 4))
	first = sha1.Sum(first[:])
	var mu sync.Mutex
	err = a.each(ctx, func(ctx context.Context, i int, _ *wire) error {
		text, failed := once(ctx, a.servers[i].Addr(), "DEBUG", "DIGEST")
		if failed != nil {
			return failed
		}
		digest, failed := hex.DecodeString(text)
		if failed != nil || len(digest) != sha1.Size {
			return fmt.Errorf("DEBUG DIGEST answers %q", text)
		}
		if [sha1.Size]byte(digest) == [sha1.Size]byte{} {
			return nil // no keys, no beginning
		}
		mu.Lock()
		defer mu.Unlock()
		for b := range total {
			total[b] ^= digest[b] ^ first[b]
		}
		return nil
	})
	return total, err
}

// check says what is not as it was when the arena was filled.
func (a *arena) check(ctx context.Context) error {
	keys, err := a.count(ctx)
	if err != nil {
		return err
	}
	if keys != a.keys {
		return fmt.Errorf("%d keys of %d are there", keys, a.keys)
	}
	digest, err := a.sum(ctx)
	if err == nil && digest != a.digest {
		err = fmt.Errorf("the data is not what it was: digest %x, was %x", digest, a.digest)
	}
	return err
}

// verify fails the test unless every key is where it belongs, as it was. Redis 8.4 empties the slots that it gave
// away bit by bit, so that it has a minute for that.
func (a *arena) verify(t *testing.T) {
	t.Helper()
	redistest.Eventually(t, time.Minute, func() error { return a.check(t.Context()) })
}
