package redis_test

import (
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// keysAt are those of the clients' keys that a server has.
func (w *world) keysAt(server int) (keys []string) {
	w.tb.Helper()
	w.Servers[server].List(w.tb, &keys, "KEYS", w.keys)
	return keys
}

// both are the keys that are in both lists.
func both(a, b []string) []string {
	return slices.DeleteFunc(a, func(key string) bool { return !slices.Contains(b, key) })
}

// of are those of the keys that belong to the slots.
func of(keys []string, slots cluster.SlotSet) []string {
	return slices.DeleteFunc(keys, func(key string) bool { return !slots.Has(redistest.KeySlot(key)) })
}
