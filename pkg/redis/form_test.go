package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// BenchmarkForm is the time from nodes that know nobody to a whole cluster. A server that has just started
// serves no slots for two seconds; one that has been up and alone waits half a second, which is the node
// timeout that the cluster is formed with.
func BenchmarkForm(b *testing.B) {
	for _, nodes := range []int{6, 30} {
		for _, age := range []time.Duration{0, 3 * time.Second} {
			b.Run(fmt.Sprintf("nodes=%d/age=%v", nodes, age), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					servers := redistest.StartMany(b, nodes, redistest.Options{})
					time.Sleep(age)
					b.StartTimer()
					c := redistest.Join(b, servers, nodes/2)
					b.StopTimer()
					for _, s := range c.Servers {
						s.Kill()
					}
					b.StartTimer()
				}
			})
		}
	}
}
