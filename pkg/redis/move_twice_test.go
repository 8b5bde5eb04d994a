package redis_test

import "slices"

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
