package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

func TestParseHeard(t *testing.T) {
	const (
		self   = "0000000000000000000000000000000000000001"
		well   = "0000000000000000000000000000000000000002"
		silent = "0000000000000000000000000000000000000003"
	)
	text := self + " 10.0.0.1:6379@16379 myself,master - 0 1000 1 connected 0-5460\n" +
		well + " 10.0.0.2:6379@16379 master - 0 1700000001500 2 connected 5461-10922\n" +
		silent + " 10.0.0.3:6379@16379 master - 1700000002250 1700000001000 3 disconnected 10923-16383\n" +
		"vars currentEpoch 3 lastVoteEpoch 0\n"
	got, err := cluster.ParseHeard(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []cluster.Heard{
		{ID: well, Answered: time.UnixMilli(1700000001500)},
		{ID: silent, Pinged: time.UnixMilli(1700000002250), Answered: time.UnixMilli(1700000001000)},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []string{"soon", "-1"} {
		if got, err := cluster.ParseHeard(strings.Replace(text, "1700000002250", bad, 1)); !errors.Is(err, cluster.ErrNodes) {
			t.Errorf("a ping sent at %q: %+v, %v", bad, got, err)
		}
	}
}
