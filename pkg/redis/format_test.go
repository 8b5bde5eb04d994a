package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// What is known of the data formats of versions is asked of the servers themselves: each is given what every other one
// has dumped.
func TestCannotRead_RealServers(t *testing.T) {
	var servers []*redistest.Server
	var versions, dumps []string
	for _, engine := range redistest.Engines(t) {
		s := redistest.Start(t, redistest.Options{Engine: engine})
		s.MustDo(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
		awaitOK(t, s)
		s.MustDo(t, "SET", "key", "value")
		info, err := newClients(t, redis.Dialer{}).Observe(t.Context(), s.Endpoint())
		if err != nil {
			t.Fatal(err)
		}
		servers, versions, dumps = append(servers, s), append(versions, info.Version), append(dumps, s.MustDo(t, "DUMP", "key"))
	}
	for writer, dump := range dumps {
		for reader, s := range servers {
			_, err := s.Do(t.Context(), "RESTORE", "key", "0", dump, "REPLACE")
			if err != nil && !strings.Contains(err.Error(), "version") {
				t.Fatal(err)
			}
			if want := cluster.CannotRead(versions[reader], versions[writer]); want != (err != nil) {
				t.Errorf("%s is given what %s has written, and says %v", versions[reader], versions[writer], err)
			}
		}
	}
}

// awaitOK waits until the only node of a cluster serves.
func awaitOK(t *testing.T, s *redistest.Server) {
	t.Helper()
	redistest.Eventually(t, 10*time.Second, func() error {
		if info := s.MustDo(t, "CLUSTER", "INFO"); !strings.Contains(info, "cluster_state:ok") {
			return errors.New(info)
		}
		return nil
	})
}
