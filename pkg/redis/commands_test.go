package redis_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

func slots(first, last cluster.Slot) cluster.SlotSet {
	return cluster.NewSlotSet(cluster.SlotRange{First: first, Last: last})
}

// calls is how often the server was asked this, from INFO commandstats.
func calls(t *testing.T, s *redistest.Server, command string) string {
	t.Helper()
	stats := s.MustDo(t, "INFO", "commandstats")
	found := regexp.MustCompile(`cmdstat_` + regexp.QuoteMeta(command) + `:calls=(\d+)`).FindStringSubmatch(stats)
	if found == nil {
		return "0"
	}
	return found[1]
}

func observe(t *testing.T, clients *redis.Clients, s *redistest.Server) *cluster.NodeInfo {
	t.Helper()
	info, err := clients.Observe(t.Context(), s.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestAddSlots(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			servers := redistest.StartMany(t, 2, redistest.Options{Engine: engine})
			clients, server := newClients(t, redis.Dialer{}), servers[0]
			add := func(epoch uint64, set cluster.SlotSet) {
				t.Helper()
				if err := clients.AddSlots(t.Context(), server.Endpoint(), epoch, set); err != nil {
					t.Fatal(err)
				}
			}
			// Half done: as if the operator had been killed, with holes to be filled.
			add(0, slots(0, 99).Union(slots(200, 299)))
			wanted := slots(0, 5460).Union(slots(9000, 9000))
			for range 3 {
				add(7, wanted)
			}
			self := observe(t, clients, server).Self()
			if self.Slots != wanted || self.ConfigEpoch != 7 {
				t.Errorf("owns %s with epoch %d, want %s with 7", self.Slots, self.ConfigEpoch, wanted)
			}
			// The first time, and the first of the three.
			if got := calls(t, server, "cluster|addslotsrange"); got != "2" {
				t.Errorf("%s calls of ADDSLOTSRANGE, want 2", got)
			}
			if got := calls(t, server, "cluster|set-config-epoch"); got != "1" {
				t.Errorf("%s calls of SET-CONFIG-EPOCH, want 1", got)
			}

			// One that knows another takes no epoch any more, but its slots.
			other := servers[1]
			if err := clients.Meet(t.Context(), other.Endpoint(), []redis.Peer{server.Peer()}); err != nil {
				t.Fatal(err)
			}
			redistest.Eventually(t, 20*time.Second, func() error {
				if owner, ok := observe(t, clients, other).Table.Find(self.ID); !ok || owner.Slots != wanted {
					return errors.New("the other node has not learned who owns the slots")
				}
				return nil
			})
			if err := clients.AddSlots(t.Context(), other.Endpoint(), 7, slots(6000, 6000)); err != nil {
				t.Errorf("an epoch that comes too late: %v", err)
			}
			err := clients.AddSlots(t.Context(), other.Endpoint(), 0, slots(5400, 5500))
			if !errors.Is(err, redis.ErrBusySlot) || !strings.Contains(err.Error(), "5400-5460") {
				t.Errorf("slots of another: %v", err)
			}
			if got := observe(t, clients, other).Self().Slots; got != slots(6000, 6000) {
				t.Errorf("slots of another: it took %s", got)
			}
		})
	}
}

// TestCluster has what needs a whole cluster of 3 primaries with 1 replica each, one after the other on the
// same one, on every engine.
func TestCluster(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			start := time.Now()
			c := formed{redistest.Form(t, 3, 1, redistest.Options{Engine: engine, Password: secret})}
			t.Logf("formed in %v, start of the servers included", time.Since(start).Round(time.Millisecond))
			ok := t.Run("observation", c.observation) &&
				t.Run("meeting", c.meeting) &&
				t.Run("configuration", c.configuration) &&
				t.Run("guards of replicate", c.replicate) &&
				t.Run("guards of forget", c.forget) &&
				t.Run("failover by hand", c.manualFailover) &&
				t.Run("failover of the dead", c.takeover)
			if !ok {
				t.Log(c.Nodes(t.Context()))
			}
		})
	}
}

// formed is the cluster that the tests of TestCluster share.
type formed struct{ *redistest.Cluster }

func (c formed) observation(t *testing.T) {
	for i := range 100 {
		c.Servers[0].MustDo(t, "SET", fmt.Sprintf("{06S}%d", i), "value") // {06S}: slot 0
	}
	redistest.Eventually(t, 20*time.Second, func() error {
		primary, replica := observe(t, c.Clients, c.Servers[0]), observe(t, c.Clients, c.Servers[3])
		if primary.ReplOffset == 0 || primary.ReplOffset != replica.ReplOffset {
			return fmt.Errorf("offsets %d and %d", primary.ReplOffset, replica.ReplOffset)
		}
		return nil
	})
	primary, replica := observe(t, c.Clients, c.Servers[0]), observe(t, c.Clients, c.Servers[3])
	if primary.Keys != 100 || replica.Keys != 100 {
		t.Errorf("%d and %d keys", primary.Keys, replica.Keys)
	}
	self := replica.Self()
	if self.Role != cluster.Replica || self.PrimaryID != c.IDs[0] || !replica.LinkUp || !self.Slots.IsEmpty() {
		t.Errorf("replica %+v, link %v", self, replica.LinkUp)
	}
	if primary.CurrentEpoch < 3 || !primary.StateOK || primary.Self().Slots.Len() != 5461 {
		t.Errorf("primary %+v", primary.Self())
	}

	// A replica says only once a second how far it has come.
	redistest.Eventually(t, 20*time.Second, func() error {
		replicas, err := c.Clients.Replicas(t.Context(), c.Servers[0].Endpoint())
		if err != nil || len(replicas) != 1 {
			return fmt.Errorf("replicas %v, %w", replicas, err)
		}
		if got := replicas[0]; got.IP != "127.0.0.1" || got.Port != c.Servers[3].Port || !got.Online || got.Offset == 0 ||
			got.Lag > 5*time.Second {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
	replicas, err := c.Clients.Replicas(t.Context(), c.Servers[3].Endpoint())
	if err != nil || len(replicas) != 0 {
		t.Errorf("replicas of a replica: %v, %v", replicas, err)
	}
}

func (c formed) meeting(t *testing.T) {
	lone := redistest.Start(t, redistest.Options{Engine: c.Servers[0].Engine, Password: secret})
	peers := []redis.Peer{{IP: "nonsense", Port: 1}, c.Servers[0].Peer(), {IP: "127.0.0.1", Port: 99999}, c.Servers[1].Peer()}
	err := c.Clients.Meet(t.Context(), lone.Endpoint(), peers)
	var reply *redis.ReplyError
	if !errors.As(err, &reply) || !strings.Contains(err.Error(), "peer nonsense:1: ") ||
		!strings.Contains(err.Error(), "peer 127.0.0.1:99999: ") || strings.Contains(err.Error(), c.Servers[0].Addr()) {
		t.Errorf("bad peers: %v", err)
	}
	redistest.Eventually(t, 20*time.Second, func() error {
		if known := len(observe(t, c.Clients, lone).Table); known != 7 {
			return fmt.Errorf("it knows %d nodes", known)
		}
		return nil
	})
	if err := c.Clients.Meet(t.Context(), lone.Endpoint(), nil); err != nil {
		t.Errorf("nobody to meet: %v", err)
	}
	// Gone for good: the others forget it. Who has not heard of it yet would do so afterwards, from who forgets it later.
	id := observe(t, c.Clients, lone).Self().ID
	for _, s := range c.Servers {
		redistest.Eventually(t, 20*time.Second, func() error {
			if node, known := observe(t, c.Clients, s).Table.Find(id); !known || !node.Connected {
				return fmt.Errorf("%s does not know it", s.Addr())
			}
			return nil
		})
	}
	lone.Kill()
	for _, s := range c.Servers {
		if err := c.Clients.Forget(t.Context(), s.Endpoint(), []cluster.NodeID{id}, cluster.SlotSet{}); err != nil {
			t.Error(err)
		}
	}
	for _, s := range c.Servers {
		if _, known := observe(t, c.Clients, s).Table.Find(id); known {
			t.Errorf("%s still knows it", s.Addr())
		}
	}
}

func (c formed) configuration(t *testing.T) {
	ep := c.Servers[0].Endpoint()
	settings := []redis.Setting{{Name: "maxmemory", Value: "200mb"}, {Name: "masterauth", Value: secret}}
	if err := c.Clients.ConfigSet(t.Context(), ep, settings); err != nil {
		t.Fatal(err)
	}
	values, err := c.Clients.ConfigGet(t.Context(), ep, "maxmemory", "masterauth", "no-such-directive")
	if err != nil || len(values) != 2 || values["maxmemory"] != "209715200" || values["masterauth"] != secret {
		t.Errorf("got %d values, maxmemory %s, %v", len(values), values["maxmemory"], err)
	}
	// All or none, and no value of a secret in the error.
	err = c.Clients.ConfigSet(t.Context(), ep, []redis.Setting{
		{Name: "maxmemory", Value: "300mb"}, {Name: "masterauth", Value: secret}, {Name: "no-such-directive", Value: "1"},
	})
	if err == nil || strings.Contains(err.Error(), secret) || !strings.HasPrefix(err.Error(), "config set "+ep.Addr) {
		t.Errorf("got %v", err)
	}
	if observe(t, c.Clients, c.Servers[0]).MaxBytes != 200<<20 {
		t.Error("half of the settings were set")
	}
	if err := c.Clients.ConfigSet(t.Context(), ep, []redis.Setting{{Name: "maxmemory", Value: "0"}}); err != nil {
		t.Error(err)
	}
}

func (c formed) replicate(t *testing.T) {
	stranger := cluster.NodeID(strings.Repeat("0", 40))
	lone := redistest.Start(t, redistest.Options{Engine: c.Servers[0].Engine, Config: []string{"save \"\""}})
	loneID := observe(t, c.Clients, lone).Self().ID
	if err := c.Clients.AddSlots(t.Context(), lone.Endpoint(), 0, cluster.AllSlots()); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, 20*time.Second, func() error {
		_, err := lone.Do(t.Context(), "SET", "key", "value")
		return err
	})
	lone.MustDo(t, "CLUSTER", "DELSLOTSRANGE", "0", "16383")

	for name, tt := range map[string]struct {
		server  *redistest.Server
		primary cluster.NodeID
		want    error
	}{
		"it owns slots":             {c.Servers[1], c.IDs[2], redis.ErrNotEmpty},
		"it owns slots and keys":    {c.Servers[0], c.IDs[1], redis.ErrNotEmpty},
		"it has keys":               {lone, stranger, redis.ErrNotEmpty},
		"an unknown node":           {c.Servers[3], stranger, redis.ErrUnknownNode},
		"a replica":                 {c.Servers[3], c.IDs[4], redis.ErrNotPrimary},
		"itself":                    {c.Servers[3], c.IDs[3], redis.ErrMyself},
		"the one it follows":        {c.Servers[3], c.IDs[0], nil},
		"itself, with keys, lonely": {lone, loneID, redis.ErrNotEmpty},
	} {
		t.Run(name, func(t *testing.T) {
			before := calls(t, tt.server, "cluster|replicate")
			err := c.Clients.Replicate(t.Context(), tt.server.Endpoint(), tt.primary)
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			guarded := errors.Is(tt.want, redis.ErrNotEmpty) || tt.want == nil
			if after := calls(t, tt.server, "cluster|replicate"); guarded && after != before {
				t.Error("it was sent all the same")
			}
		})
	}

	// From one primary to another and back, with its keys: they are a copy.
	for _, primary := range []int{1, 0} {
		if err := c.Clients.Replicate(t.Context(), c.Servers[3].Endpoint(), c.IDs[primary]); err != nil {
			t.Fatal(err)
		}
		redistest.Eventually(t, 20*time.Second, func() error {
			info := observe(t, c.Clients, c.Servers[3])
			if info.Self().PrimaryID != c.IDs[primary] || !info.LinkUp {
				return fmt.Errorf("%+v, link %v", info.Self(), info.LinkUp)
			}
			return nil
		})
	}
	err := c.Clients.AddSlots(t.Context(), c.Servers[3].Endpoint(), 0, slots(0, 0))
	if !errors.Is(err, redis.ErrNotPrimary) {
		t.Errorf("slots for a replica: %v", err)
	}
}

func (c formed) forget(t *testing.T) {
	stranger := cluster.NodeID(strings.Repeat("0", 40))
	for name, tt := range map[string]struct {
		server  int
		ids     []cluster.NodeID
		givenUp cluster.SlotSet
		want    error
	}{
		"nobody":                 {},
		"a stranger":             {ids: []cluster.NodeID{stranger}},
		"itself":                 {ids: []cluster.NodeID{c.IDs[0]}, want: redis.ErrMyself},
		"the primary of another": {server: 3, ids: []cluster.NodeID{c.IDs[1]}, want: redis.ErrOwnsSlots},
		"some of its slots are given up": {
			server: 3, ids: []cluster.NodeID{c.IDs[1]}, givenUp: slots(6000, 9000), want: redis.ErrOwnsSlots,
		},
		"its primary":             {server: 3, ids: []cluster.NodeID{c.IDs[0]}, givenUp: cluster.AllSlots(), want: redis.ErrMyPrimary},
		"one that could, one not": {ids: []cluster.NodeID{c.IDs[4], c.IDs[1]}, want: redis.ErrOwnsSlots},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.Clients.Forget(t.Context(), c.Servers[tt.server].Endpoint(), tt.ids, tt.givenUp)
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if known := len(observe(t, c.Clients, c.Servers[tt.server]).Table); known != 6 {
				t.Errorf("%d nodes are left", known)
			}
		})
	}
}

// manualFailover writes all the time: a write that was acknowledged must be there afterwards.
func (c formed) manualFailover(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	acknowledged := make(chan int)
	go func() { acknowledged <- writeUntilRefused(ctx, c.Servers[0]) }()
	redistest.Eventually(t, 20*time.Second, func() error {
		if keys := observe(t, c.Clients, c.Servers[0]).Keys; keys < 200 {
			return fmt.Errorf("%d keys", keys)
		}
		return nil
	})
	if err := c.Clients.Failover(t.Context(), c.Servers[0].Endpoint(), redis.Manual); !errors.Is(err, redis.ErrNotReplica) {
		t.Errorf("failover to a primary: %v", err)
	}
	if err := c.Clients.Failover(t.Context(), c.Servers[3].Endpoint(), redis.Manual); err != nil {
		t.Fatal(err)
	}
	c.awaitPrimary(t, 3)
	written := <-acknowledged
	stop()
	redistest.Eventually(t, 20*time.Second, func() error {
		if info := observe(t, c.Clients, c.Servers[0]); info.Self().PrimaryID != c.IDs[3] || !info.LinkUp {
			return errors.New("the old primary does not follow")
		}
		return nil
	})
	for i := range written {
		if got, err := c.Servers[3].Do(t.Context(), "GET", fmt.Sprintf("{06S}w%d", i)); err != nil || got != "1" {
			t.Fatalf("write %d of %d is lost: %q, %v", i, written, got, err)
		}
	}
	t.Logf("%d writes acknowledged until the role moved, none lost", written)
}

// writeUntilRefused is the number of writes that the server acknowledged before it gave up its role.
func writeUntilRefused(ctx context.Context, s *redistest.Server) int {
	for i := 0; ; i++ {
		if _, err := s.Do(ctx, "SET", fmt.Sprintf("{06S}w%d", i), "1"); err != nil {
			return i
		}
	}
}

func (c formed) awaitPrimary(t *testing.T, i int) {
	t.Helper()
	redistest.Eventually(t, 20*time.Second, func() error {
		if self := observe(t, c.Clients, c.Servers[i]).Self(); self.Role != cluster.Primary || self.Slots.IsEmpty() {
			return fmt.Errorf("%+v", self)
		}
		return nil
	})
}

func (c formed) takeover(t *testing.T) {
	c.Servers[1].Kill()
	redistest.Eventually(t, 20*time.Second, func() error {
		if info := observe(t, c.Clients, c.Servers[4]); info.LinkUp {
			return errors.New("the link is still up")
		}
		return nil
	})
	replica := c.Servers[4].Endpoint()
	if err := c.Clients.Failover(t.Context(), replica, redis.Manual); !errors.Is(err, redis.ErrPrimaryDown) {
		t.Errorf("the primary cannot be asked: %v", err)
	}
	start := time.Now()
	if err := c.Clients.Failover(t.Context(), replica, redis.Takeover); err != nil {
		t.Fatal(err)
	}
	c.awaitPrimary(t, 4)
	t.Logf("taken over in %v", time.Since(start))
}
