package redis

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// migrations is how a server migrates whole slots by itself.
type migrations int

const (
	noMigrations migrations = iota
	// byExport is Valkey 9: the source is told, and has any number of tasks, of which one at a time sends its
	// snapshot. A task that failed is over.
	byExport
	// byImport is Redis 8.4: the target is told. A server has one task at a time, be it as source or as target. A task
	// that failed is tried again by the target every second, until it is cancelled or replaced.
	byImport
)

// migrationsOf is how the server of this version does it, by NodeInfo.Version.
func migrationsOf(version string) migrations {
	if major, _ := versionOf(version, "valkey"); major >= 9 {
		return byExport
	}
	if major, minor := versionOf(version, "redis"); major > 8 || major == 8 && minor >= 4 {
		return byImport
	}
	return noMigrations
}

// versionOf is the first two numbers of the version of an engine; 0 when it is of another.
func versionOf(version, engine string) (major, minor int) {
	name, numbers, _ := strings.Cut(version, " ")
	if name != engine {
		return 0, 0
	}
	first, rest, _ := strings.Cut(numbers, ".")
	second, _, _ := strings.Cut(rest, ".")
	return leadingNumber(first), leadingNumber(second)
}

// leadingNumber is 9 of "9" and of "9-rc1", and 0 of anything else.
func leadingNumber(text string) int {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0
	}
	return n
}

// status asks for all tasks that the server remembers, the newest first.
func (m migrations) status() command {
	if m == byExport {
		return command{"CLUSTER", "GETSLOTMIGRATIONS"}
	}
	return command{"CLUSTER", "MIGRATION", "STATUS", "ALL"}
}

// serverTask is a migration as one of its two servers tells of it.
type serverTask struct {
	cluster.SlotTask
	// drives says that this server is the one that was told, and the only one that can cancel for good.
	drives bool
	alive  bool // the servers go on with it by themselves
	failed bool // it did not succeed, or not yet
	words  string
}

// over are the states after which a task of Valkey is history.
var over = []string{"success", "failed", "cancelled", "cleaning-up"}

// parseTasks reads what the servers answer to status: a list of names and values for each task. What cannot be
// read is left out.
func (m migrations) parseTasks(r reply) []serverTask {
	var tasks []serverTask
	for _, element := range r.lists {
		fields := info{}
		for pair := range slices.Chunk(element.list, 2) {
			if len(pair) == 2 {
				fields[pair[0]] = pair[1]
			}
		}
		task := m.task(fields)
		if task.ID != "" && task.Source != "" && task.Target != "" && !task.Slots.IsEmpty() {
			tasks = append(tasks, task)
		}
	}
	return tasks
}

func (m migrations) task(fields info) serverTask {
	state := fields["state"]
	if m == byExport {
		if state == "cancelled" {
			fields["message"] = state // which says no more
		}
		return serverTask{
			SlotTask: slotTask(fields, "name", "slot_ranges", "source_node", "target_node"),
			drives:   fields["operation"] == "EXPORT",
			alive:    !slices.Contains(over, state),
			failed:   state == "failed" || state == "cancelled",
			words:    fields["message"],
		}
	}
	drives := fields["operation"] == "import"
	return serverTask{
		SlotTask: slotTask(fields, "id", "slots", "source", "dest"),
		drives:   drives,
		alive:    state != "completed" && state != "canceled" && (drives || state != "failed"),
		failed:   state == "canceled" || state == "failed",
		words:    fields["last_error"],
	}
}

func slotTask(fields info, id, slots, source, target string) cluster.SlotTask {
	set, err := cluster.ParseSlots(strings.ReplaceAll(strings.TrimSpace(fields[slots]), " ", ","))
	if err != nil {
		set = cluster.SlotSet{}
	}
	return cluster.SlotTask{
		ID: fields[id], Source: cluster.NodeID(fields[source]), Target: cluster.NodeID(fields[target]), Slots: set,
	}
}

// running are the tasks that go on.
func running(tasks []serverTask) []cluster.SlotTask {
	var alive []cluster.SlotTask
	for _, task := range tasks {
		if task.alive {
			alive = append(alive, task.SlotTask)
		}
	}
	return alive
}

// observeTasks asks for the tasks of a node that may have some. Redis says in CLUSTER INFO whether it has. Valkey
// does not, but only primaries have any.
func (c *Clients) observeTasks(ctx context.Context, ep Endpoint, node *cluster.NodeInfo, clusterInfo info) error {
	kind := migrationsOf(node.Version)
	if kind == noMigrations || node.Self().Role != cluster.Primary || len(node.Table) == 1 ||
		kind == byImport && clusterInfo.number("cluster_slot_migration_active_tasks") == 0 {
		return nil
	}
	replies, err := c.do(ctx, ep, kind.status())
	if err != nil {
		return err
	}
	node.Tasks = running(kind.parseTasks(replies[0]))
	return nil
}

// CancelTasks ends migrations: those of NodeInfo.Tasks. The slots stay at their source, whole, and what has gone to
// the target is dropped there. A task that is over is no error.
//
// Only one of the two servers can end a task for good, in Valkey its source, in Redis its target: asked at the other,
// nothing is done. And Valkey cannot end one alone: where any of the tasks runs, all that leave this node are ended.
func (c *Clients) CancelTasks(ctx context.Context, ep Endpoint, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return c.call(ctx, ep, "cluster migration cancel", func(ctx context.Context) error {
		node, err := c.observe(ctx, ep)
		if err != nil || len(node.Tasks) == 0 {
			return err
		}
		kind := migrationsOf(node.Version)
		replies, err := c.do(ctx, ep, kind.status())
		if err != nil {
			return err
		}
		var cmds []command
		for _, task := range kind.parseTasks(replies[0]) {
			if task.alive && task.drives && slices.Contains(ids, task.ID) {
				cmds = append(cmds, kind.cancel(task.ID))
			}
		}
		if len(cmds) == 0 {
			return nil
		}
		if kind == byExport {
			cmds = cmds[:1]
		}
		_, err = c.do(ctx, ep, cmds...)
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "no migrations ongoing") {
			return nil // it has just ended
		}
		return err
	})
}

// cancel ends a task, or in Valkey all that leave the server.
func (m migrations) cancel(id string) command {
	if m == byExport {
		return command{"CLUSTER", "CANCELSLOTMIGRATIONS"}
	}
	return command{"CLUSTER", "MIGRATION", "CANCEL", "ID", id}
}
