package framework

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Observer asks every node of a cluster ten times a second what it believes, and holds that against what must be true
// whatever happens (FAULTS, I1, I2 and I6). It shares no code with the operator: it reads CLUSTER NODES by itself.
type Observer struct {
	cluster  *Cluster
	password string
	grace    time.Duration
	stop     context.CancelFunc
	done     chan struct{}

	mu       sync.Mutex
	looks    int
	breaches []error

	conns map[string]*Redis    // by address
	ours  map[string]bool      // node IDs that were in a pod of the cluster
	since map[string]time.Time // when a state began that may only last for so long
}

const (
	observePace  = 100 * time.Millisecond
	observeBound = 500 * time.Millisecond
	openSlotMax  = time.Minute
)

// StartObserver begins to look. Slots may be without an owner, or with several, and nodes unknown, for as long as the
// grace: a failover takes its time.
func (c *Cluster) StartObserver(t *testing.T, grace time.Duration) *Observer {
	t.Helper()
	password, err := c.InternalPassword(t.Context(), "operator")
	if err != nil {
		t.Fatalf("password of %s: %v", c.Name, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	o := &Observer{
		cluster: c, password: password, grace: grace, stop: stop, done: make(chan struct{}),
		conns: map[string]*Redis{}, ours: map[string]bool{}, since: map[string]time.Time{},
	}
	go o.run(ctx)
	t.Cleanup(o.halt)
	return o
}

// Stop ends the looking, and says what was not as it must be.
func (o *Observer) Stop() (looks int, err error) {
	o.halt()
	return o.looks, errors.Join(o.breaches...)
}

func (o *Observer) halt() {
	o.stop()
	<-o.done
}

func (o *Observer) run(ctx context.Context) {
	defer close(o.done)
	tick := time.NewTicker(observePace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, r := range o.conns {
				r.Close()
			}
			return
		case <-tick.C:
			o.look(ctx)
		}
	}
}

// belief is one node's table.
type belief struct {
	pod   string
	lines []nodeLine
}

// nodeLine is one line of CLUSTER NODES.
type nodeLine struct {
	id, ip string
	flags  []string
	slots  []string // ranges
	open   []string // [slot->-id] and [slot-<-id]
}

func (o *Observer) look(ctx context.Context) {
	pods, err := o.cluster.Pods(ctx)
	if err != nil {
		return // the API server may be what is broken
	}
	var beliefs []belief
	used := map[string]*Redis{}
	var mu sync.Mutex // of both, while nodes are asked
	var asking sync.WaitGroup
	for _, pod := range pods {
		if pod.Status.PodIP == "" {
			continue
		}
		conn := o.conns[pod.Status.PodIP]
		asking.Go(func() {
			table, kept := o.ask(ctx, pod, conn)
			mu.Lock()
			defer mu.Unlock()
			if kept != nil {
				used[pod.Status.PodIP] = kept
			}
			if table != nil {
				beliefs = append(beliefs, belief{pod: pod.Name, lines: table})
			}
		})
	}
	asking.Wait()
	for ip, r := range o.conns {
		if used[ip] == nil && r != nil {
			r.Close() // of a pod that is gone
		}
	}
	o.conns = used
	slices.SortFunc(beliefs, func(a, b belief) int { return strings.Compare(a.pod, b.pod) })
	o.mu.Lock()
	defer o.mu.Unlock()
	o.looks++
	o.check(beliefs)
}

// ask is what one node believes; nil when it does not say in time.
func (o *Observer) ask(ctx context.Context, pod corev1.Pod, conn *Redis) ([]nodeLine, *Redis) {
	ctx, cancel := context.WithTimeout(ctx, observeBound)
	defer cancel()
	if conn == nil {
		var err error
		if conn, err = DialRedis(ctx, net.JoinHostPort(pod.Status.PodIP, "6379"), "operator", o.password); err != nil {
			return nil, nil
		}
	}
	reply, err := conn.Do(ctx, "CLUSTER", "NODES")
	if err != nil {
		conn.Close()
		return nil, nil
	}
	text, _ := reply.(string)
	return readNodes(text), conn
}

func readNodes(text string) []nodeLine {
	var lines []nodeLine
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		ip, _, _ := strings.Cut(fields[1], ":")
		n := nodeLine{id: fields[0], ip: ip, flags: strings.Split(fields[2], ",")}
		for _, f := range fields[8:] {
			if strings.HasPrefix(f, "[") {
				n.open = append(n.open, f)
			} else {
				n.slots = append(n.slots, f)
			}
		}
		lines = append(lines, n)
	}
	return lines
}

func (n nodeLine) is(flag string) bool { return slices.Contains(n.flags, flag) }

// count is the number of slots.
func (n nodeLine) count() int {
	total := 0
	for _, r := range n.slots {
		first, last, found := strings.Cut(r, "-")
		a, _ := strconv.Atoi(first)
		b := a
		if found {
			b, _ = strconv.Atoi(last)
		}
		total += b - a + 1
	}
	return total
}

// check holds the beliefs of one moment against what must be so.
func (o *Observer) check(beliefs []belief) {
	for _, b := range beliefs {
		for _, n := range b.lines {
			if n.is("myself") {
				o.ours[n.id] = true
			}
		}
	}
	now := time.Now()
	wrong := map[string]time.Duration{} // what is not as it should be, and how long it may be so
	for _, b := range beliefs {
		o.checkOne(b, wrong)
	}
	for what, bound := range wrong {
		if o.since[what].IsZero() {
			o.since[what] = now
		}
		if lasted := now.Sub(o.since[what]); lasted > bound {
			o.breaches = append(o.breaches, fmt.Errorf("%s: %s, for %s", now.Format("15:04:05.0"), what, lasted.Round(observePace)))
			o.since[what] = now.Add(time.Hour) // said once
		}
	}
	maps.DeleteFunc(o.since, func(what string, _ time.Time) bool {
		_, still := wrong[what]
		return !still
	})
}

func (o *Observer) checkOne(b belief, wrong map[string]time.Duration) {
	served := 0
	for _, n := range b.lines {
		if n.is("master") && !n.is("fail") {
			served += n.count()
		}
		if !o.ours[n.id] && !n.is("handshake") && !n.is("fail") && !n.is("noaddr") {
			wrong[fmt.Sprintf("I6: %s knows node %s at %s, which is in no pod", b.pod, n.id, n.ip)] = o.grace
		}
		for _, open := range n.open {
			wrong[fmt.Sprintf("I2: %s has %s open", b.pod, open)] = openSlotMax
		}
	}
	if served != 16384 {
		wrong["I1: not all slots are served in the eyes of "+b.pod] = o.grace
	}
}

// StrayKeys is the number of keys that are in slots which their node does not own, on all masters (I2).
func (c *Cluster) StrayKeys(ctx context.Context) error {
	password, err := c.InternalPassword(ctx, "operator")
	if err != nil {
		return err
	}
	pods, err := c.Pods(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, pod := range pods {
		if err := strayAt(ctx, pod, password); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", pod.Name, err))
		}
	}
	return errors.Join(errs...)
}

func strayAt(ctx context.Context, pod corev1.Pod, password string) error {
	r, err := DialRedis(ctx, net.JoinHostPort(pod.Status.PodIP, "6379"), "operator", password)
	if err != nil {
		return err
	}
	defer r.Close()
	reply, err := r.Do(ctx, "CLUSTER", "NODES")
	if err != nil {
		return err
	}
	text, _ := reply.(string)
	owned := map[int]bool{}
	for _, n := range readNodes(text) {
		if !n.is("myself") {
			continue
		}
		if !n.is("master") {
			return nil
		}
		for _, slots := range n.slots {
			first, last, found := strings.Cut(slots, "-")
			if !found {
				last = first
			}
			a, _ := strconv.Atoi(first)
			b, _ := strconv.Atoi(last)
			for s := a; s <= b; s++ {
				owned[s] = true
			}
		}
	}
	for slot := range 16384 {
		if owned[slot] {
			continue
		}
		n, err := r.Do(ctx, "CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(slot))
		if err != nil {
			return err
		}
		if keys, _ := n.(int64); keys > 0 {
			return fmt.Errorf("%d keys in slot %d, which it does not own", keys, slot)
		}
	}
	return nil
}
