package plan_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
)

var faults = []string{
	"kill", "kill and wipe", "restart", "evict", "stop", "stuck", "outdate", "outdate agent", "hide", "show",
	"update", "update", "flawed update", "flawed update", "revert", "supervise",
	"all", "majority", "host off", "host gone", "abandon", "replicas", "primaries", "primaries", "primaries", "pause", "stranger", "leave", "meet",
	"turn", "split",
}

// trouble is one fault.
func (r *run) trouble() {
	pods := r.world.Pods()
	if len(pods) == 0 {
		return
	}
	name := rapid.SampledFrom(pods).Draw(r.t, "pod")
	ordinal := slices.Index(pods, name)
	fault := rapid.SampledFrom(faults).Draw(r.t, "fault")
	r.note("   %s %s", fault, name)
	switch fault {
	case "kill":
		r.world.Kill(name)
	case "kill and wipe":
		r.world.Kill(name).Wipe(ordinal)
	case "restart":
		r.world.Restart(name)
	case "evict":
		r.world.Evict(name)
	case "stop":
		r.world.Stop(name)
	case "stuck":
		r.world.Stuck(name, true)
	case "outdate":
		r.world.Outdate(name)
	case "outdate agent":
		r.world.OutdateAgent(name)
	case "update":
		r.world.Update("")
	case "flawed update":
		r.world.Update(rapid.SampledFrom([]string{clustertest.Unpullable, clustertest.Crashing, clustertest.Lame}).Draw(r.t, "flaw"))
	case "revert":
		r.world.Revert()
	case "supervise":
		r.wanted.HoldPrimaries = !r.wanted.HoldPrimaries
	case "hide", "show":
		r.world.Hide(name, fault == "hide")
	case "all":
		r.world.Kill(pods...)
	case "majority":
		for i, s := range r.world.View().Shards() {
			if i%3 != 2 && s.Primary.Info != nil {
				r.world.Kill(s.Primary.Pod.Name)
			}
		}
	case "host off", "host gone":
		host := rapid.SampledFrom(r.settings.Hosts).Draw(r.t, "host").Name
		if r.world.LoseHost(host); fault == "host gone" {
			r.world.GiveUpHost(host)
		}
	case "abandon":
		r.world.Abandon(name)
	case "replicas":
		r.wanted.Replicas = rapid.IntRange(0, 2).Draw(r.t, "replicas")
	case "primaries":
		r.wanted.Primaries, r.edited = rapid.IntRange(1, 5).Draw(r.t, "primaries"), true
	case "pause":
		r.wanted.Paused = !r.wanted.Paused
	case "stranger":
		r.world.Stranger(fmt.Sprintf("192.168.0.%d", rapid.IntRange(1, 9).Draw(r.t, "ip")))
	case "leave":
		r.world.Leave()
	case "turn":
		r.knob = rapid.SampledFrom([]int{0, 1, 2, clustertest.BadKnob}).Draw(r.t, "knob")
		r.world.Turn(r.knob)
	case "split":
		r.world.Split(name, rapid.IntRange(1, 500).Draw(r.t, "left"))
	case "meet":
		r.world.Meet(name, rapid.SampledFrom(pods).Draw(r.t, "peer"))
	}
}

// calm ends what would go on for ever.
func (r *run) calm() {
	r.wanted.Paused = false
	if r.world.Flawed() {
		r.world.Revert()
	}
	r.world.Leave().Lose(0)
	for _, host := range r.settings.Hosts {
		r.world.GiveUpHost(host.Name)
	}
	for _, name := range r.world.Pods() {
		r.world.Hide(name, false).Stuck(name, false)
	}
}
