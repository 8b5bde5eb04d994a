package redis

import (
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// What a replica says of its link, as servers put it.
func TestInfo_LinkDown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		want time.Duration
	}{
		"a primary":                           {"role:master", 0},
		"a replica in sync":                   {"role:slave\nmaster_link_status:up\nuptime_in_seconds:90", 0},
		"alone for a while":                   {"role:slave\nmaster_link_down_since_seconds:17\nuptime_in_seconds:90", 17 * time.Second},
		"alone since it was started":          {"role:slave\nmaster_link_down_since_seconds:17\nuptime_in_seconds:18", cluster.NeverLinked},
		"just started":                        {"role:slave\nmaster_link_down_since_seconds:0\nuptime_in_seconds:1", cluster.NeverLinked},
		"it does not say since when":          {"role:slave\nmaster_link_down_since_seconds:-1\nuptime_in_seconds:90", cluster.NeverLinked},
		"it has lost its link at this moment": {"role:slave\nmaster_link_down_since_seconds:0\nuptime_in_seconds:90", 0},
	} {
		if got := parseInfo(tt.text).linkDown(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
