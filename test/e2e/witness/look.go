package witness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Look is what every node of a cluster said in one moment.
type Look struct {
	At   time.Time
	Seen []Seen // a pod each, by name
}

// Seen is what one pod's node said of itself and of the others.
type Seen struct {
	Pod   Pod
	Table []Node // nil: it did not answer in time
	// StateOK is cluster_state, LinkUp a replica's master_link_status; both are false of a node that did not answer.
	StateOK, LinkUp bool
}

// Self is the node's own line.
func (s Seen) Self() Node {
	for _, n := range s.Table {
		if n.Is("myself") {
			return n
		}
	}
	return Node{}
}

// Find is the pod of a node.
func (l Look) Find(id string) (Seen, bool) {
	for _, s := range l.Seen {
		if id != "" && s.Self().ID == id {
			return s, true
		}
	}
	return Seen{}, false
}

// Owner is the pod whose node says that it serves a slot.
func (l Look) Owner(slot uint16) (Seen, bool) {
	for _, s := range l.Seen {
		if s.Self().Is("master") && s.Self().Owns(slot) {
			return s, true
		}
	}
	return Seen{}, false
}

// ReplicaOf is the first pod whose node follows another.
func (l Look) ReplicaOf(id string) (Seen, bool) {
	for _, s := range l.Seen {
		if id != "" && s.Self().Primary == id {
			return s, true
		}
	}
	return Seen{}, false
}

// Whole is nil when every pod is there and ready, and all are Linked.
func (l Look) Whole(pods int) error {
	if len(l.Seen) != pods {
		return fmt.Errorf("there are %d pods, not %d", len(l.Seen), pods)
	}
	for _, s := range l.Seen {
		if s.Pod.Going || !s.Pod.Ready {
			return fmt.Errorf("%s is not ready, or is going", s.Pod.Name)
		}
	}
	return l.Linked()
}

// Linked is nil when every node finds the cluster in order and knows exactly these pods at their addresses, and every
// replica has its link.
func (l Look) Linked() error {
	for _, s := range l.Seen {
		if err := l.linkedAt(s); err != nil {
			return fmt.Errorf("%s: %w", s.Pod.Name, err)
		}
	}
	return nil
}

func (l Look) linkedAt(s Seen) error {
	switch {
	case s.Table == nil:
		return errors.New("no answer")
	case !s.StateOK:
		return errors.New("cluster_state is not ok")
	case len(s.Table) != len(l.Seen):
		return fmt.Errorf("%d nodes are known, not %d", len(s.Table), len(l.Seen))
	case served(s.Table) != slotCount:
		return fmt.Errorf("%d slots are served", served(s.Table))
	case s.Self().Is("slave") && !s.LinkUp:
		return errors.New("the replica's link is down")
	}
	for _, other := range l.Seen {
		if !knows(s.Table, other.Pod.IP) {
			return fmt.Errorf("%s is not known at %s, or has failed", other.Pod.Name, other.Pod.IP)
		}
	}
	return nil
}

func knows(table []Node, ip string) bool {
	for _, n := range table {
		if n.Addr == ip+busSuffix && !n.Is("fail") && !n.Is("fail?") && !n.Is("handshake") {
			return true
		}
	}
	return false
}

// served is how many slots have a master that has not failed.
func served(table []Node) int {
	total := 0
	for _, n := range table {
		if n.Is("master") && !n.Is("fail") {
			total += n.SlotCount()
		}
	}
	return total
}

// Look asks every pod's Redis, and no operator.
func (c *Cluster) Look(ctx context.Context) (Look, error) {
	pods, err := c.Pods(ctx)
	if err != nil {
		return Look{}, err
	}
	password, err := c.Password(ctx, userOperator)
	if err != nil {
		return Look{}, err
	}
	e := &examiner{password: password}
	defer e.close()
	return e.look(ctx, pods), nil
}

// examiner asks nodes, and keeps its connections to them.
type examiner struct {
	password string
	conns    map[string]*Redis // by the pod's UID
}

// askBound is how long a node has to answer. One that does not is not seen: that is no proof of anything.
const askBound = 500 * time.Millisecond

func (e *examiner) close() {
	for _, r := range e.conns {
		r.Close()
	}
}

func (e *examiner) look(ctx context.Context, pods []Pod) Look {
	look := Look{At: time.Now(), Seen: make([]Seen, len(pods))}
	kept := map[string]*Redis{}
	var mu sync.Mutex // of kept, while nodes are asked
	var asking sync.WaitGroup
	for i, pod := range pods {
		look.Seen[i].Pod = pod
		if pod.IP == "" {
			continue
		}
		former := e.conns[pod.UID]
		delete(e.conns, pod.UID)
		asking.Go(func() {
			seen, conn := e.ask(ctx, pod, former)
			mu.Lock()
			defer mu.Unlock()
			look.Seen[i] = seen
			if conn != nil {
				kept[pod.UID] = conn
			}
		})
	}
	asking.Wait()
	e.close() // what is left is of pods that are gone
	e.conns = kept
	return look
}

// ask is what one node says; the connection is nil when it broke.
func (e *examiner) ask(ctx context.Context, pod Pod, conn *Redis) (Seen, *Redis) {
	ctx, cancel := context.WithTimeout(ctx, askBound)
	defer cancel()
	seen := Seen{Pod: pod}
	if conn == nil {
		var err error
		if conn, err = DialRedis(ctx, pod.Addr(), userOperator, e.password); err != nil {
			return seen, nil
		}
	}
	replies, err := conn.Pipeline(ctx, []string{"CLUSTER", "NODES"}, []string{"CLUSTER", "INFO"}, []string{"INFO", "replication"})
	if err != nil {
		conn.Close()
		return seen, nil
	}
	text := func(i int) string { s, _ := replies[i].(string); return s }
	seen.Table = ReadNodes(text(0))
	seen.StateOK = strings.Contains(text(1), "cluster_state:ok\r\n")
	seen.LinkUp = strings.Contains(text(2), "master_link_status:up\r\n")
	return seen, conn
}
