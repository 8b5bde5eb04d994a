package redis

import (
	"errors"
	"strings"
	"testing"
)

// TestNewReplyError has the words of the servers that are supported.
func TestNewReplyError(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"NOAUTH Authentication required.":                                                         ErrAuth,
		"WRONGPASS invalid username-password pair or user is disabled.":                           ErrAuth,
		"DENIED Redis is running in protected mode because protected mode is enabled":             ErrAuth,
		"NOPERM User operator has no permissions to run the 'cluster|nodes' command":              ErrNoPermission,
		"LOADING Redis is loading the dataset in memory":                                          ErrLoading,
		"LOADING Valkey is loading the dataset in memory":                                         ErrLoading,
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN":          ErrBusy,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":        ErrPrimaryDown,
		"ERR Master is down or failed, please use CLUSTER FAILOVER FORCE":                         ErrPrimaryDown,
		"ERR Primary is down or failed, please use CLUSTER FAILOVER FORCE":                        ErrPrimaryDown,
		"ERR This instance has cluster support disabled":                                          ErrClusterDisabled,
		"ERR Slot 5 is already busy":                                                              ErrBusySlot,
		"ERR To set a master the node must be empty and without assigned slots.":                  ErrNotEmpty,
		"ERR Unknown node 0123456789012345678901234567890123456789":                               ErrUnknownNode,
		"ERR I'm a replica but my master is unknown to me":                                        ErrUnknownNode,
		"ERR Can't forget my master!":                                                             ErrMyPrimary,
		"ERR Can't forget my primary!":                                                            ErrMyPrimary,
		"ERR I tried hard but I can't forget myself...":                                           ErrMyself,
		"ERR Can't replicate myself":                                                              ErrMyself,
		"ERR I can only replicate a master, not a replica.":                                       ErrNotPrimary,
		"ERR You should send CLUSTER FAILOVER to a replica":                                       ErrNotReplica,
		"ERR Node config epoch is already non-zero":                                               errEpochSettled,
		"ERR The user can assign a config epoch only when the node does not know any other node.": errEpochSettled,
		"ERR max number of clients reached":                                                       errHangsUp,
		"ERR Error loading ACLs":                                                                  nil,
		"BUSYKEY Target key name already exists.":                                                 nil,
		"": nil,
	} {
		err := newReplyError(text)
		if want == nil && len(err.kinds) > 0 || want != nil && !errors.Is(err, want) {
			t.Errorf("%q means %v, want %v", text, err.kinds, want)
		}
		if err.Error() != text {
			t.Errorf("got %q, want the server's words %q", err, text)
		}
	}
}

// A server of which somebody has renamed CONFIG repeats what it was sent.
func TestNewReplyError_ForgetsArguments(t *testing.T) {
	t.Parallel()
	err := newReplyError("ERR unknown command 'CONFIG', with args beginning with: 'SET' 'masterauth' '" + secret + "'")
	if strings.Contains(err.Error(), secret) || err.Error() != "ERR unknown command 'CONFIG'" {
		t.Errorf("got %q", err)
	}
}
