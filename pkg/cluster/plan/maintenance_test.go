package plan_test

import (
	"reflect"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

const noWindow = "no window is open"

// windowless is what is wanted while no window is open.
func windowless(w plan.Wanted) plan.Wanted {
	w.Closed = noWindow
	return w
}

// huddled puts the primaries of two shards on one host.
func huddled(v *cluster.View) {
	member(v, "demo-1").Pod.Host, member(v, "demo-1").Pod.Zone = "node1", "a"
}

func TestNext_Windows(t *testing.T) {
	t.Parallel()
	beautiful, supervised := threeByOne, threeByOne
	beautiful.Failback, supervised.HoldPrimaries = true, true
	play(t, map[string]func() scene{
		"nothing that is well is replaced before a window opens": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Outdate("demo-0").Outdate("demo-5"), windowless(threeByOne), nil,
				wait(plan.AwaitingWindow, idle, "demo-0 and demo-5 are not updated yet (4 of 6 pods are updated): "+noWindow),
			}
		},
		"no primary hands over to be replaced before a window opens": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Outdate("demo-0"), windowless(threeByOne), nil,
				wait(plan.AwaitingWindow, idle, "demo-0 is not updated yet (5 of 6 pods are updated): "+noWindow),
			}
		},
		"a replica that does not count is replaced at any time": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-4").Outdate("demo-5")
			return scene{
				w, windowless(threeByOne), func(v *cluster.View) { info(v, "demo-5").LinkUp = false },
				replacing(w, "demo-5", "4 of 6 pods are updated"),
			}
		},
		"no role moves for a better placement before a window opens": func() scene {
			return scene{clustertest.Cluster(3, 1), windowless(beautiful), huddled, wait(plan.AwaitingWindow, idle,
				"demo-0 does not hand over to demo-4 yet, which would be a better placement: "+noWindow)}
		},
		"a placement that is to stay waits for no window": func() scene {
			return scene{clustertest.Cluster(3, 1), windowless(threeByOne), huddled, allConverged()}
		},
		"what is up to date and well placed waits for no window": func() scene {
			return scene{clustertest.Cluster(3, 1), windowless(beautiful), nil, allConverged()}
		},
		"before a person has approved, replicas wait for a window": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Outdate("demo-0").Outdate("demo-5"), windowless(supervised), nil,
				wait(plan.AwaitingWindow, idle, "demo-5 is not updated yet (4 of 6 pods are updated): "+noWindow),
			}
		},
		"and primaries for the person": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Outdate("demo-0"), windowless(supervised), nil,
				wait(plan.UpdateAwaitsApproval, idle, "demo-0 is not updated yet (5 of 6 pods are updated): to go on with "+
					"primaries, run: kubectl redis-cluster approve -n shop demo"),
			}
		},
		"without replicas no pod is lent before a window opens": func() scene {
			alone := threeByOne
			alone.Replicas = 0
			return scene{
				clustertest.Cluster(3, 0).Outdate("demo-1"), windowless(alone), nil,
				wait(plan.AwaitingWindow, idle, "demo-1 is not updated yet (2 of 3 pods are updated): "+noWindow),
			}
		},
		"agents are changed at any time: nobody notices": func() scene {
			w := clustertest.Cluster(3, 1).OutdateAgent("demo-4")
			return scene{w, windowless(threeByOne), nil, plan.Decision{
				Step:   plan.UpdateAgent{Pod: "demo-4", UID: w.View().Members[4].Pod.UID},
				Reason: plan.UpdatingAgents, Requeue: forming,
				Message: "changing the agent in demo-4, redis runs on (5 of 6 pods are updated)",
			}}
		},
	})
}

func TestNext_HostsInMaintenance(t *testing.T) {
	t.Parallel()
	beautiful, twoEach := threeByOne, threeByOne
	beautiful.Failback, twoEach.Replicas = true, 2
	play(t, map[string]func() scene{
		"a pod stays while its volume is on a host that is cordoned, and the others are updated": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-4").Outdate("demo-5").Shut("node3", true)
			return scene{w, threeByOne, nil, replacing(w, "demo-4", "4 of 6 pods are updated")}
		},
		"what stays is named": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Outdate("demo-2").Outdate("demo-5").Shut("node3", true), threeByOne, nil,
				wait(plan.HostInMaintenance, idle, "the update waits (4 of 6 pods are updated): node3 is cordoned, and the "+
					"volume of demo-2 is there and node3 is cordoned, and the volume of demo-5 is there"),
			}
		},
		"a pod without a volume is replaced": func() scene {
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Outdate("demo-5").Shut("node3", true)
			return scene{w, threeByOne, nil, replacing(w, "demo-5", "5 of 6 pods are updated")}
		},
		"a primary stays whose replica could not be updated": func() scene {
			return scene{ // demo-5 is of demo-1
				clustertest.Cluster(3, 1).Outdate("demo-1").Outdate("demo-5").Shut("node3", true), threeByOne, nil,
				wait(plan.HostInMaintenance, idle, "the update waits (4 of 6 pods are updated): node3 is cordoned, and the "+
					"volume of demo-5 is there"),
			}
		},
		"a primary hands over to where nobody is at work": func() scene {
			w := clustertest.Cluster(3, 2).Outdate("demo-0").Shut("node2", true) // demo-4 is there, demo-8 on node3
			return scene{w, twoEach, nil, handingOver(w, "demo-0", "demo-8", "8 of 9 pods are updated")}
		},
		"no role goes to a host that is cordoned for a better placement": func() scene {
			return scene{clustertest.Cluster(3, 1).Shut("node2", true), beautiful, huddled, allConverged()}
		},
		"without replicas no pod is lent to one that stays": func() scene {
			alone := threeByOne
			alone.Replicas = 0
			return scene{
				clustertest.Cluster(3, 0).Outdate("demo-1").Shut("node2", true), alone, nil,
				wait(plan.HostInMaintenance, idle, "the update waits (2 of 3 pods are updated): node2 is cordoned, and the "+
					"volume of demo-1 is there"),
			}
		},
	})
}

// What waits is said in a plan, and what comes after it.
func TestOutline_Maintenance(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1).Outdate("demo-4").Outdate("demo-5").Shut("node3", true)
	want := plan.Outlined{
		Steps: []string{
			"waiting for a window: demo-4 is not updated yet (4 of 6 pods are updated): " + noWindow,
			"replacing demo-4 by a pod of the new template (4 of 6 pods are updated)",
		},
		PodsReplaced: []string{"demo-4"},
		Waits:        "the update waits (5 of 6 pods are updated): node3 is cordoned, and the volume of demo-5 is there",
	}
	if got := plan.Outline(windowless(threeByOne), w.View()); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
