package redisnode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

const (
	// nodesFile is the name of the cluster's configuration file in the data directory.
	nodesFile = "nodes.conf"

	defaultNodeTimeout = 15000
	// formingNodeTimeout is what a node without nodes.conf starts with. A node that has been up alone waits
	// min(node-timeout, 5 s) before it calls the cluster ok, so that a short one forms a cluster in a second.
	formingNodeTimeout = 1000
	// joiningNodeTimeout is the same beside a cluster that there is already. Who suspects sooner than the others harms
	// them: Redis counts what a primary without slots says against a node, and some of those are a majority by themselves.
	// Its pings, one in half that time, still have everybody hear soon of what it becomes.
	joiningNodeTimeout = 5000
)

// arrival is how a node comes to its cluster.
type arrival int

const (
	comesBack arrival = iota // it has been in it
	forms                    // there is none yet
	joins                    // there is one, and it knows nobody of it
)

// podLines begins the lines of redis.conf that are not in the ConfigMap.
const podLines = "# The lines of this pod. They come last, so that they win."

// pod is what redis.conf says about this pod.
type pod struct {
	IP          string
	Bind        string // "* -::*", but for tests
	DataDir     string
	RunDir      string
	NodeTimeout int
	Replication string // password of the user that replicates
	Start       string // lines of its own that only a start can bring
	Snapshot    bool   // it has no append-only file, and its snapshot is to be loaded
	Appended    bool   // it has an append-only file that is newer than its snapshot, and is to be loaded
}

// renderConf makes the redis.conf of this pod: the text of the ConfigMap, then the pod's own lines, which win
// because redis takes the last.
func renderConf(text string, p pod) string {
	var b strings.Builder
	b.WriteString(strings.TrimRight(text, "\n"))
	b.WriteString("\n\n" + podLines + "\n")
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("port %d", agent.RedisPort)
	line("bind %s", p.Bind)
	line("protected-mode no")
	line("dir %s", quote(p.DataDir))
	line("daemonize no")
	line("supervised no")
	line(`logfile ""`)
	line(`pidfile ""`)
	line("unixsocket %s", quote(redisSocket(p.RunDir)))
	line("unixsocketperm 700")
	line("aclfile %s", quote(aclPath(p.RunDir)))
	line("masteruser %s", agent.UserReplication)
	line("masterauth %s", quote(p.Replication))
	line("cluster-enabled yes")
	line("cluster-config-file %s", nodesFile)
	line("cluster-node-timeout %d", p.NodeTimeout)
	line("cluster-announce-ip %s", p.IP)
	line("cluster-announce-port %d", agent.RedisPort)
	line("cluster-announce-bus-port %d", agent.BusPort)
	b.WriteString(p.Start)
	if p.Snapshot {
		// Redis would begin with an empty append-only file. The operator turns appendonly on in the node that runs, which
		// writes a file of what has been loaded.
		line("appendonly no")
	}
	if p.Appended {
		line("appendonly yes")
	}
	return b.String()
}

// quote writes a value so that redis reads it as one argument, byte for byte (sds.c, sdssplitargs).
func quote(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(value) {
		switch c := value[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// directive is the value of a directive with one argument, the last in the text; fallback when it has none.
func directive(text, name, fallback string) string {
	value := fallback
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.EqualFold(fields[0], name) {
			value = strings.Trim(fields[1], `"'`)
		}
	}
	return value
}

// crashRestart is the line of the ConfigMap's text, a comment to redis, that asks for a primary whose process has died
// to start again. It is in redis.conf because that file is projected into pods of every age, and changes under them
// (pkg/objects/config.go).
const crashRestart = "# redisnode: crash Restart"

func restartsAfterCrash(text string) bool {
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == crashRestart {
			return true
		}
	}
	return false
}

// configuredNodeTimeout is the node-timeout that the ConfigMap asks for, in milliseconds.
func configuredNodeTimeout(text string) int {
	timeout, err := strconv.Atoi(directive(text, "cluster-node-timeout", ""))
	if err != nil || timeout <= 0 { // Redis will say so itself: it reads the line too.
		return defaultNodeTimeout
	}
	return timeout
}

// nodeTimeout is what redis starts with: a node that is not in a cluster yet starts with a short one.
func nodeTimeout(text string, a arrival) int {
	configured := configuredNodeTimeout(text)
	switch a {
	case forms:
		return min(configured, formingNodeTimeout)
	case joins:
		return min(configured, joiningNodeTimeout)
	case comesBack:
	}
	return configured
}
