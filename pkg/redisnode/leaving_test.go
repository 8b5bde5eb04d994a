package redisnode

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// TestPromote_GoesOnGiving replaces a primary that is giving a slot away, by consent and by its death: its successor
// knows of it from its first command on, and so sends clients on to the keys that are at the target by now.
func TestPromote_GoesOnGiving(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	target := cluster.NodeID(pods[1].status().NodeID)
	open := func(p *testPod) cluster.Slot {
		slot := p.info().Self().Slots.Take(1)
		text := slot.String()
		must(t, said(pods[1].operator("CLUSTER", "SETSLOT", text, "IMPORTING", p.status().NodeID)))
		must(t, said(p.operator("CLUSTER", "SETSLOT", text, "MIGRATING", string(target))))
		n, err := strconv.Atoi(text)
		must(t, err)
		return cluster.Slot(n)
	}
	goesOn := func(p *testPod, slot cluster.Slot) {
		t.Helper()
		p.awaitStatus("it is the primary", func(s agent.Status) bool { return s.Role == rolePrimary && s.SlotsOwned > 0 })
		for _, o := range p.info().Self().Open {
			if o.Slot == slot && !o.Importing && o.Peer == target {
				return
			}
		}
		t.Errorf("%s does not know that slot %d is on its way", p.name, slot)
	}
	slot := open(pods[0])
	must(t, pods[0].giveTo(pods[3]))
	goesOn(pods[3], slot)

	slot = open(pods[2])
	pods[2].kill()
	goesOn(pods[5], slot)
}

// said is an error when redis did not say OK.
func said(answer string) error {
	if answer != "OK" {
		return fmt.Errorf("redis says %q", answer)
	}
	return nil
}
