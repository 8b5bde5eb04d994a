package redisnode

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// passwords are those of the users of redis. They are written to users.acl as hashes, and nowhere else but
// in masterauth, which has to be the password itself.
type passwords struct {
	Default, Operator, Redisnode, Replication string
	// Mover is "" in a pod of an operator that did not move slots yet: its Secret was projected without it.
	Mover string
}

// The names of the files with the passwords.
const (
	fileDefault     = "password"
	fileOperator    = agent.UserOperator + "-password"
	fileRedisnode   = agent.UserRedisnode + "-password"
	fileReplication = agent.UserReplication + "-password"
	fileMover       = agent.UserMover + "-password"
)

const (
	// Clients may do everything but what administers the server, and what copies keys past the owner of their
	// slot. What clients use to find their way in a cluster is no administration (@admin has parts of it).
	rulesDefault = "~* &* +@all -@admin -migrate -restore -restore-asking -debug +role +cluster|replicas"
	// Nobody of ours ever drops data, debugs, or loads code.
	rulesOwn         = "~* &* +@all -flushall -flushdb -swapdb -debug -module"
	rulesReplication = "+psync +replconf +ping"
	// From Valkey 9 on a source gives whole slots to a target in the name of the user that replicates: a snapshot and
	// then the stream of writes, each checked by its rights. What has no key never comes that way. Other servers do not
	// know the subcommand, and would not start with it in the file.
	rulesSlotStream = " +cluster|syncslots +select +@write +pfcount " +
		"-flushall -flushdb -swapdb -migrate -restore-asking ~*"
	// A source gives its keys to a target with MIGRATE, which carries the password. Whoever gets hold of it can put keys
	// where they do not belong, and read none.
	rulesMover = "~* +restore-asking +select"
)

// renderACL makes users.acl for a server of this version. Denied are commands that clients may not run either.
func renderACL(p passwords, v version, denied []string) string {
	var b strings.Builder
	user := func(name, password, rules string) {
		fmt.Fprintf(&b, "user %s on #%x %s\n", name, sha256.Sum256([]byte(password)), rules)
	}
	clients := []string{rulesDefault}
	for _, command := range denied {
		clients = append(clients, "-"+command)
	}
	user("default", p.Default, strings.Join(clients, " "))
	user(agent.UserOperator, p.Operator, rulesOwn)
	user(agent.UserRedisnode, p.Redisnode, rulesOwn)
	replication := rulesReplication
	if v.streamsSlots() {
		replication += rulesSlotStream
	}
	user(agent.UserReplication, p.Replication, replication)
	if p.Mover != "" {
		user(agent.UserMover, p.Mover, rulesMover)
	}
	return b.String()
}

// readPasswords reads them from the directory that the Secrets are projected into.
func readPasswords(dir string) (passwords, error) {
	var p passwords
	for _, f := range []struct {
		name string
		to   *string
	}{
		{fileDefault, &p.Default},
		{fileOperator, &p.Operator},
		{fileRedisnode, &p.Redisnode},
		{fileReplication, &p.Replication},
		{fileMover, &p.Mover},
	} {
		password, err := readPassword(filepath.Join(dir, f.name))
		if f.name == fileMover && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return passwords{}, err
		}
		*f.to = password
	}
	return p, nil
}

// readPassword reads one. A line break at the end is not part of it: "echo secret > file" is how people make them.
func readPassword(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	password := strings.TrimRight(string(data), "\r\n")
	switch {
	case password == "":
		return "", fmt.Errorf("read password: %s is empty", path)
	case strings.ContainsRune(password, 0): // masterauth is a C string
		return "", fmt.Errorf("read password: %s has a zero byte", path)
	}
	return password, nil
}
