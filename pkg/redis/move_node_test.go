package redis

import "testing"

// Valkey 7.2 is Redis 7.2 by another name: it says nothing of what Valkey 8 tells movers, and replicates no marks.
func TestMoveNode_IsValkey(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"redis 7.0.15": false, "redis 8.6.3": false, "valkey 7.2.11": false, "valkey 8.0.0": true, "valkey 9.1.2": true, "": false,
	} {
		if got := (&moveNode{MoveEnd: MoveEnd{Version: version}}).isValkey(); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}
