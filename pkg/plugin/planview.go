package plugin

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"k8s.io/utils/ptr"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// wantedOf is what a spec asks for, in the words of the rules. The spec has its defaults.
func wantedOf(rc *redisv1.RedisCluster) plan.Wanted {
	return plan.Wanted{
		Primaries:    int(*rc.Spec.NumberOfMaster),
		Replicas:     int(*rc.Spec.ReplicationFactor),
		Bootstrapped: rc.Status.Bootstrapped,
		ZoneAware:    *rc.Spec.Placement.ZoneAware,
		Moving:       rc.Status.Migration != nil,
		Overfill:     rc.Spec.Migration.Engine == redisv1.EngineSlotsOnly,
		Object:       fmt.Sprintf("-n %s rdc/%s", rc.Namespace, rc.Name),
		HoldPrimaries: rc.Spec.Update.Strategy == redisv1.UpdateSupervised &&
			rc.Annotations[redisv1.AnnotationApprovedRevision] != objects.UpdateHash(rc),
	}
}

// viewOf is what a status shows, in the words of the rules, as if each node that it has seen had told it just now. What
// the nodes say of their memory and keys is in live.
func viewOf(rc *redisv1.RedisCluster, live []LiveInfo) cluster.View {
	said := map[string]Info{}
	for _, l := range live {
		if l.Err == nil {
			said[l.PodName] = l.Info
		}
	}
	var v cluster.View
	for i, n := range rc.Status.Nodes {
		_, ordinal := splitPod(n.PodName)
		m := cluster.Member{Pod: cluster.Pod{
			Name: n.PodName, Ordinal: ordinal, IP: n.IP, Host: n.Host, Zone: n.Zone, State: cluster.PodRunning, Ready: true,
			Outdated: n.Outdated,
		}}
		if n.Resizing {
			m.Pod.Resize = cluster.ResizeDue
		}
		if n.ID != "" {
			m.Info = infoOf(rc, said[n.PodName])
			m.Info.Table = cluster.Table{selfOf(n, uint64(i)+1)}
		} else {
			m.Unseen = "the operator could not ask it"
		}
		v.Members = append(v.Members, m)
		if n.Host != "" && !slices.ContainsFunc(v.Hosts, func(h cluster.Host) bool { return h.Name == n.Host }) {
			v.Hosts = append(v.Hosts, cluster.Host{Name: n.Host, Zone: n.Zone})
		}
	}
	slices.SortFunc(v.Hosts, func(a, b cluster.Host) int { return comparePods(a.Name, b.Name) })
	for _, id := range rc.Status.FormerNodes {
		v.Former = append(v.Former, cluster.NodeID(id))
	}
	slices.Sort(v.Former)
	return v
}

// reclass says in a view of the spec after of which class volumes are and are to be. What the status calls outdated is
// so for its volume, where that is not of the class of the spec before.
func reclass(v *cluster.View, before, after *redisv1.RedisCluster) {
	for i, n := range after.Status.Nodes {
		if n.StorageClass == "" {
			continue
		}
		pod := &v.Members[i].Pod
		pod.Class = cluster.Class{
			Has: n.StorageClass, Wants: ptr.Deref(after.Spec.Storage.StorageClassName, n.StorageClass),
		}
		pod.Outdated = pod.Outdated && ptr.Deref(before.Spec.Storage.StorageClassName, n.StorageClass) == n.StorageClass
	}
}

// selfOf is a node's own line of its table. There are no other lines: the status knows nothing of a node that the node
// itself did not say.
func selfOf(n redisv1.NodeStatus, epoch uint64) cluster.Node {
	self := cluster.Node{
		ID: cluster.NodeID(n.ID), Addr: cluster.Addr{IP: n.IP}, Role: cluster.Primary, Connected: true,
		ConfigEpoch: epoch, Slots: slotsOf(n), Flags: cluster.Flags{Myself: true},
	}
	if n.Role == redisv1.RoleReplica {
		self.Role, self.PrimaryID, self.ConfigEpoch = cluster.Replica, cluster.NodeID(n.MasterRef), 0
	}
	return self
}

func infoOf(rc *redisv1.RedisCluster, said Info) *cluster.NodeInfo {
	policy := rc.Spec.Config["maxmemory-policy"]
	data := said.UsedMemory // more than the data alone: whoever has that much room has enough
	if said.DataBytes != nil {
		data = *said.DataBytes
	}
	return &cluster.NodeInfo{
		StateOK: true, LinkUp: true, Keys: said.Keys, UsedBytes: said.UsedMemory, DataBytes: data, MaxBytes: said.MaxMemory,
		Evicts: policy != "" && policy != "noeviction", Clients: said.ConnectedClients, Version: said.Version,
	}
}

// speedOf is how fast slots move with this spec between nodes of these versions.
func speedOf(rc *redisv1.RedisCluster, live []LiveInfo) plan.Speed {
	m := rc.Spec.Migration
	switch {
	case m.Engine == redisv1.EngineSlotsOnly:
		return plan.SpeedSlotsOnly
	case m.Engine == redisv1.EngineAuto && len(live) > 0 && !slices.ContainsFunc(live, func(l LiveInfo) bool {
		return l.Err != nil || !movesSlots(l.Info.Version)
	}):
		return plan.SpeedAtomic
	case m.Profile == redisv1.ProfileThroughput:
		return plan.SpeedThroughput
	}
	return plan.SpeedLatency
}

var versionWords = regexp.MustCompile(`^(redis|valkey) (\d{1,4})\.(\d{1,4})`)

// movesSlots says whether a server of this version moves whole slots by itself.
func movesSlots(version string) bool {
	words := versionWords.FindStringSubmatch(version)
	if words == nil {
		return false
	}
	major, _ := strconv.Atoi(words[2])
	minor, _ := strconv.Atoi(words[3])
	if words[1] == "valkey" {
		return major >= 9
	}
	return major > 8 || major == 8 && minor >= 4
}
