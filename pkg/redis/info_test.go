package redis

import (
	"testing"
	"time"
)

func TestInfo_LinkUp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                                       true, // nothing says that it is a replica
		"role:master":                            true,
		"role:master\r\nmaster_link_status:down": true,
		"role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0":    true,
		"role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:1":    false,
		"role:slave\r\nmaster_link_status:down\r\nmaster_sync_in_progress:0":  false,
		"role:slave\r\nmaster_link_status:up\r\nloading:1":                    false,
		"role:slave\r\nmaster_link_status:up\r\nloading:0\r\nasync_loading:1": false,
		"role:slave": false,
	} {
		if got := parseInfo(text).linkUp(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestInfo_Version(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"redis_version:7.0.15": "redis 7.0.15",
		"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1":    "valkey 8.1.1",
		"redis_version:7.2.4\r\nvalkey_version:9.1.2\r\nvalkey_release_stage:": "valkey 9.1.2",
		"redis_version:8.0.0\r\nserver_name:other":                             "other 8.0.0",
	} {
		if got := parseInfo(text).version(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestInfo_Numbers(t *testing.T) {
	t.Parallel()
	f := parseInfo("# Replication\r\nrole:slave\r\nslave_repl_offset:12\r\nmaster_repl_offset:15\r\n" +
		"connected_slaves:3\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1234,lag=1,type=main\r\n" +
		"slave2:ip=fd00::1,port=6380,state=wait_bgsave,offset=0,lag=0\r\n" +
		"db0:keys=5,expires=1,avg_ttl=0\r\ndb1:keys=2,expires=0\r\ndbx:keys=99\r\nused_memory:10\r\nbad:1x\r\n")
	if f.offset() != 12 || f.keys("db0") != 5 || f.allKeys() != 7 || f.number("bad") != 0 || f.number("none") != 0 {
		t.Errorf("got %d %d %d", f.offset(), f.keys("db0"), f.allKeys())
	}
	replicas := f.replicas()
	if len(replicas) != 2 || replicas[0] != (ReplicaInfo{"10.0.0.2", 6379, true, 1234, time.Second}) ||
		replicas[1] != (ReplicaInfo{IP: "fd00::1", Port: 6380}) {
		t.Errorf("got %+v", replicas)
	}
	if got := (Peer{IP: "fd00::1", Port: 1, BusPort: 2}).String(); got != "[fd00::1]:1@2" {
		t.Errorf("got %s", got)
	}
}

// What went wrong with an append-only file that has been turned off since is wrong no more.
func TestInfo_WriteFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"aof_enabled:1\r\naof_last_write_status:err\r\nrdb_last_bgsave_status:err\r\n": "aof_last_write_status:err",
		"aof_enabled:0\r\naof_last_write_status:err\r\nrdb_last_bgsave_status:err\r\n": "rdb_last_bgsave_status:err",
		"aof_enabled:0\r\naof_last_bgrewrite_status:err\r\n":                           "",
		"aof_enabled:1\r\naof_last_bgrewrite_status:err\r\n":                           "aof_last_bgrewrite_status:err",
		"aof_enabled:1\r\naof_last_write_status:ok\r\n":                                "",
	} {
		if got := parseInfo(text).writeFault(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
