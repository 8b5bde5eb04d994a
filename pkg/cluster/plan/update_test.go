package plan_test

import (
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// replacing is the decision to replace a replica.
func replacing(w *clustertest.World, name, progress string) plan.Decision {
	v := w.View()
	m := member(&v, name)
	return plan.Decision{
		Step:   plan.DeletePod{Pod: name, UID: m.Pod.UID, Primary: m.Follows()},
		Reason: plan.RollingUpdate, Requeue: forming,
		Message: "replacing " + name + " by a pod of the new template (" + progress + ")",
	}
}

// handingOver is the decision to move a role to an updated pod.
func handingOver(w *clustertest.World, from, to, progress string) plan.Decision {
	return plan.Decision{
		Step:   plan.Failover{Pod: to, Node: w.ID(to), Primary: w.ID(from), Mode: plan.HandOver},
		Reason: plan.RollingUpdate, Requeue: forming,
		Message: from + " hands over to " + to + ", which is updated, to be replaced (" + progress + ")",
	}
}

func allConverged() plan.Decision {
	return wait(plan.Converged, idle, "3 primaries with 1 replica each, all in sync")
}

func TestNext_Update(t *testing.T) {
	t.Parallel()
	supervised := threeByOne
	supervised.HoldPrimaries = true
	play(t, map[string]func() scene{
		"replicas are replaced before primaries": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-0").Outdate("demo-5")
			return scene{w, threeByOne, nil, replacing(w, "demo-5", "4 of 6 pods are updated")}
		},
		"a primary is failed over before its pod is replaced": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-2")
			return scene{w, threeByOne, nil, handingOver(w, "demo-2", "demo-3", "5 of 6 pods are updated")}
		},
		"of two replicas the one takes over on whose host are fewer primaries": func() scene {
			w := clustertest.Cluster(3, 2).Outdate("demo-0")
			wanted := threeByOne
			wanted.Replicas = 2
			return scene{w, wanted, func(v *cluster.View) {
				member(v, "demo-4").Pod.Host = member(v, "demo-1").Pod.Host
				member(v, "demo-8").Pod.Host = "node9"
			}, handingOver(w, "demo-0", "demo-8", "8 of 9 pods are updated")}
		},
		"nothing is replaced while a replica copies": func() scene {
			return scene{clustertest.Cluster(3, 1).Outdate("demo-5"), threeByOne, func(v *cluster.View) {
				info(v, "demo-3").LinkUp = false
			}, wait(plan.WaitingForSync, forming, "demo-3 copies the data of its primary")}
		},
		"nothing is replaced while a pod is not ready": func() scene {
			return scene{clustertest.Cluster(3, 1).Outdate("demo-5"), threeByOne, func(v *cluster.View) {
				member(v, "demo-1").Pod.Ready = false
			}, wait(plan.WaitingForPods, forming, "demo-1 is not ready")}
		},
		"nothing is replaced while a pod stops": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Outdate("demo-5").Stop("demo-4"), threeByOne, nil,
				wait(plan.WaitingForPods, waiting, "demo-4 is stopping"),
			}
		},
		"nothing is replaced while a voter does not know a replica": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-5")
			return scene{w, threeByOne, func(v *cluster.View) {
				line(v, "demo-1", w.ID("demo-3")).Role = cluster.Primary
			}, wait(plan.WaitingForClusterState, forming,
				"waiting until demo-1 hears that demo-3 is a replica by now: it would not vote for it")}
		},
		"a replica that does not count goes first, whatever its number": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-3").Outdate("demo-5")
			return scene{
				w, threeByOne, func(v *cluster.View) { info(v, "demo-5").LinkUp = false },
				replacing(w, "demo-5", "4 of 6 pods are updated"),
			}
		},
		"a pod that is not ready for what its template says is replaced": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-4")
			return scene{
				w, threeByOne, func(v *cluster.View) { member(v, "demo-4").Pod.Ready = false },
				replacing(w, "demo-4", "5 of 6 pods are updated"),
			}
		},
		"what is supervised comes to replicas": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-0").Outdate("demo-5")
			return scene{w, supervised, nil, replacing(w, "demo-5", "4 of 6 pods are updated")}
		},
		"what is supervised stops before primaries": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Outdate("demo-0"), supervised, nil,
				wait(plan.UpdateAwaitsApproval, idle, "demo-0 is not updated yet (5 of 6 pods are updated): to go on with "+
					"primaries, run: kubectl redis-cluster approve -n shop demo"),
			}
		},
		"what is supervised comes to no primary for beauty": func() scene {
			beautiful := supervised
			beautiful.Failback = true
			return scene{clustertest.Cluster(3, 1).Outdate("demo-1"), beautiful, func(v *cluster.View) {
				member(v, "demo-1").Pod.Host, member(v, "demo-1").Pod.Zone = "node1", "a" // beside demo-0 and its replica
			}, wait(plan.UpdateAwaitsApproval, idle, "demo-1 is not updated yet (5 of 6 pods are updated): to go on with "+
				"primaries, run: kubectl redis-cluster approve -n shop demo")}
		},
		"a cluster that is supervised and up to date waits for nobody": func() scene {
			return scene{clustertest.Cluster(3, 1), supervised, nil, allConverged()}
		},
		"without replicas nothing begins before it is approved": func() scene {
			alone := supervised
			alone.Replicas = 0
			return scene{
				clustertest.Cluster(3, 0).Outdate("demo-0"), alone, nil,
				wait(plan.UpdateAwaitsApproval, idle, "demo-0 is not updated yet (2 of 3 pods are updated): to go on with "+
					"primaries, run: kubectl redis-cluster approve -n shop demo"),
			}
		},
		"a replica that cannot read its primary's data stops the update": func() scene {
			return scene{clustertest.Cluster(3, 1).Outdate("demo-4"), threeByOne, func(v *cluster.View) {
				info(v, "demo-2").Version = "redis 8.0.2"
				info(v, "demo-3").LinkUp = false // of demo-2
			}, wait(plan.DowngradeRefused, waiting, "demo-3 runs redis 7.0.15, which cannot read the data of demo-2, which "+
				"runs redis 8.0.2: no other pod is replaced; set the image back")}
		},
		"once the image is set back the replica is replaced": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-3")
			return scene{w, threeByOne, func(v *cluster.View) {
				info(v, "demo-2").Version = "redis 8.0.2"
				info(v, "demo-3").LinkUp = false
			}, replacing(w, "demo-3", "5 of 6 pods are updated")}
		},
		"a paused cluster is not updated": func() scene {
			paused := threeByOne
			paused.Paused = true
			return scene{clustertest.Cluster(3, 1).Outdate("demo-5"), paused, nil, wait(plan.Paused, idle,
				"spec.paused is true: nothing is begun and nothing is repaired until it is false again")}
		},
	})
}

func TestNext_BrokenPods(t *testing.T) {
	t.Parallel()
	const ended = "container redis: CrashLoopBackOff: back-off"
	crashed := func(outdated bool) func(*cluster.View) {
		return func(v *cluster.View) {
			pod := &member(v, "demo-5").Pod
			pod.Trouble, pod.Outdated = ended, outdated
		}
	}
	broken := func(w *clustertest.World) plan.Decision {
		return plan.Decision{
			Step: plan.DeletePod{Pod: "demo-5", UID: w.View().Members[5].Pod.UID, Stopped: true}, Requeue: forming,
			Reason: plan.ReplacingBrokenPod, Message: "demo-5 does not run (" + ended + "), and the spec has changed since",
		}
	}
	ephemeral := clustertest.Settings{Ephemeral: true}
	waits := wait(plan.WaitingForNodes, waiting, "demo-5 does not answer: "+ended)
	play(t, map[string]func() scene{
		"a pod that crashes is replaced when the spec has changed": func() scene {
			w := clustertest.ClusterIn(ephemeral, 3, 1).Restart("demo-5")
			return scene{w, threeByOne, crashed(true), broken(w)}
		},
		"a pod that crashes is left alone while the spec is what it was made from": func() scene {
			return scene{clustertest.ClusterIn(ephemeral, 3, 1).Restart("demo-5"), threeByOne, crashed(false), waits}
		},
		"a pod that may have the last copy, and no volume, is left alone": func() scene {
			return scene{
				clustertest.ClusterIn(ephemeral, 3, 1).Restart("demo-5").Hide("demo-1", true), threeByOne, crashed(true),
				wait(plan.WaitingForNodes, waiting, "demo-1 does not answer: dial tcp 10.0.0.6:6379: i/o timeout and "+
					"demo-5 does not answer: "+ended),
			}
		},
		"its volume stays, so that it is replaced all the same": func() scene {
			w := clustertest.Cluster(3, 1).Restart("demo-5").Hide("demo-1", true)
			return scene{w, threeByOne, crashed(true), broken(w)}
		},
		"a pod that answers is not taken for one that crashes": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, threeByOne, crashed(true), replacing(w, "demo-5", "5 of 6 pods are updated")}
		},
	})
}

func TestNext_Agents(t *testing.T) {
	t.Parallel()
	updating := func(w *clustertest.World, name, progress string) plan.Decision {
		v := w.View()
		return plan.Decision{
			Step: plan.UpdateAgent{Pod: name, UID: member(&v, name).Pod.UID}, Reason: plan.UpdatingAgents, Requeue: forming,
			Message: "changing the agent in " + name + ", redis runs on (" + progress + ")",
		}
	}
	play(t, map[string]func() scene{
		"agents are changed one at a time": func() scene {
			w := clustertest.Cluster(3, 1).OutdateAgent("demo-1").OutdateAgent("demo-4")
			return scene{w, threeByOne, nil, updating(w, "demo-1", "4 of 6 pods are updated")}
		},
		"the next agent waits until the last one's pod is ready": func() scene {
			w := clustertest.Cluster(3, 1).OutdateAgent("demo-4")
			return scene{
				w, threeByOne, func(v *cluster.View) { member(v, "demo-1").Pod.Ready = false },
				wait(plan.WaitingForPods, forming, "demo-1 is not ready"),
			}
		},
		"an agent that cannot run is changed whatever else is wrong": func() scene {
			w := clustertest.Cluster(3, 1).OutdateAgent("demo-4").OutdateAgent("demo-1").Stop("demo-5")
			return scene{w, threeByOne, func(v *cluster.View) {
				pod := &member(v, "demo-4").Pod
				pod.Ready, pod.Trouble = false, "container redisnode: ImagePullBackOff: not found"
			}, updating(w, "demo-4", "4 of 6 pods are updated")}
		},
		"a pod that is replaced needs no other agent": func() scene {
			w := clustertest.Cluster(3, 1).OutdateAgent("demo-1").Outdate("demo-4")
			return scene{w, threeByOne, nil, replacing(w, "demo-4", "5 of 6 pods are updated")}
		},
	})
}
