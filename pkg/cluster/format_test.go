package cluster

import "testing"

func TestCannotRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reader, writer string
		want           bool
	}{
		{"redis 8.0.2", "redis 7.0.15", false},
		{"redis 7.0.15", "redis 8.0.2", true},
		{"redis 7.4.1", "redis 8.0.2", false},
		{"redis 8.0.2", "redis 8.6.3", true},
		{"valkey 9.1.2", "valkey 8.1.1", false},
		{"valkey 8.1.1", "valkey 9.1.2", true},
		{"valkey 8.1.1", "redis 7.0.15", false},
		{"valkey 9.1.2", "redis 7.2.4", false},
		{"valkey 9.1.2", "redis 8.0.2", true},
		{"redis 8.6.3", "valkey 9.1.2", true},
		{"redis 7.0.15", "redis 7.0.11", false},
		{"redis 7.0.15", "redis 99.1.0", false}, // nobody knows
		{"", "redis 8.0.2", false},
	} {
		if got := CannotRead(tc.reader, tc.writer); got != tc.want {
			t.Errorf("CannotRead(%q, %q) is %v", tc.reader, tc.writer, got)
		}
	}
}
