package redis_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// A server that cannot write its data says so when it is looked at, and so it does once it can again.
func TestFault38_WriteFault(t *testing.T) {
	server := redistest.Start(t, redistest.Options{Config: []string{"dbfilename full.rdb"}})
	clients := newClients(t, redis.Dialer{})
	inTheWay := filepath.Join(server.Dir, "full.rdb")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	save := func() {
		t.Helper()
		server.MustDo(t, "BGSAVE")
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if strings.Contains(server.MustDo(t, "INFO", "persistence"), "rdb_bgsave_in_progress:0") {
				return
			}
		}
		t.Fatal("BGSAVE does not end")
	}
	save()
	if info, err := clients.Observe(t.Context(), server.Endpoint()); err != nil || info.WriteFault != "rdb_last_bgsave_status:err" {
		t.Errorf("%+v, error %v", info, err)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	save()
	if info, err := clients.Observe(t.Context(), server.Endpoint()); err != nil || info.WriteFault != "" {
		t.Errorf("%+v, error %v", info, err)
	}
}
