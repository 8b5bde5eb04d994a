package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// What can be wrong with a node or with what it was asked. Errors of this package match these with errors.Is.
var (
	// ErrNotReachable says that no answer came: connecting failed, the connection broke, or the time ran out.
	ErrNotReachable = errors.New("not reachable")
	// ErrRefused is an ErrNotReachable too: nobody listens at the address. Seen on the node's own unix
	// socket it proves that the process is dead; over a network it proves nothing.
	ErrRefused = errors.New("nobody listens")
	// ErrTLS says that one side did not accept the other's certificate, or does not speak TLS.
	ErrTLS = errors.New("no secure connection")
	// ErrNotRedis says that what listens there does not speak the protocol of Redis, or not as we know it.
	ErrNotRedis = errors.New("not an answer of redis")
	// ErrClosed says that the Clients were closed.
	ErrClosed = errors.New("clients are closed")

	// ErrAuth says that the node wants other credentials, or any.
	ErrAuth = errors.New("not authenticated")
	// ErrNoPermission says that the user may not do this.
	ErrNoPermission = errors.New("no permission")
	// ErrLoading says that the node loads its dataset.
	ErrLoading = errors.New("loading")
	// ErrBusy says that the node runs a script or function for too long.
	ErrBusy = errors.New("busy")
	// ErrPrimaryDown says that a replica has no link to its primary, or that the primary has failed.
	ErrPrimaryDown = errors.New("primary is down")
	// ErrClusterDisabled says that the node runs without cluster-enabled.
	ErrClusterDisabled = errors.New("cluster mode is disabled")

	// ErrBusySlot says that a slot belongs to another node.
	ErrBusySlot = errors.New("slot has an owner")
	// ErrNotEmpty says that a node that is to become a replica owns slots, or keys that would be lost.
	ErrNotEmpty = errors.New("node is not empty")
	// ErrOwnsSlots says that a node that is to be forgotten owns slots.
	ErrOwnsSlots = errors.New("node owns slots")
	// ErrUnknownNode says that the node asked does not know the node named.
	ErrUnknownNode = errors.New("unknown node")
	// ErrMyPrimary says that a replica was asked to forget its primary.
	ErrMyPrimary = errors.New("node is the primary of the one asked")
	// ErrMyself says that a node was asked to forget or to follow itself.
	ErrMyself = errors.New("node is the one asked")
	// ErrNotPrimary says that only a primary can do this, or be followed.
	ErrNotPrimary = errors.New("not a primary")
	// ErrNotReplica says that only a replica can do this.
	ErrNotReplica = errors.New("not a replica")

	// ErrNotOwner says that the node that slots are to leave does not own them: it may have been replaced.
	ErrNotOwner = errors.New("node does not own the slots")
	// ErrOpenElsewhere says that slots are on their way to a third node, which has some of their keys.
	ErrOpenElsewhere = errors.New("slots are on their way to another node")
	// ErrKeysLeft says that a node has keys in slots that it does not own, which nobody can reach.
	ErrKeysLeft = errors.New("keys are left")
	// ErrBack says that a node was away, and does not serve yet: it may have been replaced.
	ErrBack = errors.New("node has just come back")
	// ErrTargetRefuses says that the node that keys are brought to does not take them.
	ErrTargetRefuses = errors.New("target does not take keys")
	// ErrTargetFull is an ErrTargetRefuses too: the target has reached its maxmemory.
	ErrTargetFull = errors.New("target is full")
	// ErrManyDatabases says that a node has keys in other databases than 0, which are not moved key by key.
	ErrManyDatabases = errors.New("keys in more than one database")
	// ErrImmutable says that a directive is only read when the server starts.
	ErrImmutable = errors.New("only read at the start")
	// ErrRefusedSetting says that the server does not know a directive, or does not take its value.
	ErrRefusedSetting = errors.New("setting refused")
	// ErrLagging says that a replica has not got in time what its primary has got.
	ErrLagging = errors.New("replica lags behind")

	// ErrLate says that what may only be done until a time was not done, because that had passed.
	ErrLate = errors.New("too late")

	// ErrNotMarked says that a node has taken over, and does not know of all slots that its primary was giving away.
	ErrNotMarked = errors.New("slots that are on their way are not marked")

	// errHangsUp marks the replies after which the server closes the connection.
	errHangsUp = errors.New("server hangs up")
)

// ReplyError is an error that the server answered with. It matches the sentinel that it means, if any.
type ReplyError struct {
	// Text is the server's words, less what could hold an argument of the command.
	Text string

	kinds []error
}

// Error is the server's words.
func (e *ReplyError) Error() string { return e.Text }

// Unwrap is what the words mean.
func (e *ReplyError) Unwrap() []error { return e.kinds }

// replyMeanings is the one place where the words of servers get a meaning. An entry is either the code that
// a reply begins with, or words anywhere in it; the first that fits counts.
var replyMeanings = []struct {
	code, words string
	kinds       []error
}{
	{code: "noauth", kinds: []error{ErrAuth}},
	{code: "wrongpass", kinds: []error{ErrAuth}},
	{code: "denied", kinds: []error{ErrAuth, errHangsUp}}, // protected mode
	{code: "noperm", kinds: []error{ErrNoPermission}},
	{code: "loading", kinds: []error{ErrLoading}},
	{code: "busy", kinds: []error{ErrBusy}},
	{code: "late", kinds: []error{ErrLate}}, // heirScript's own
	{code: "primarydown", kinds: []error{ErrPrimaryDown}},
	{words: "primary is down or failed", kinds: []error{ErrPrimaryDown}},
	{words: "cluster support disabled", kinds: []error{ErrClusterDisabled}},
	{words: "can't set immutable config", kinds: []error{ErrImmutable}},
	{words: "config set failed", kinds: []error{ErrRefusedSetting}},
	{words: "unknown option or number of arguments for config set", kinds: []error{ErrRefusedSetting}},
	{words: "is already busy", kinds: []error{ErrBusySlot}},
	{words: "node must be empty", kinds: []error{ErrNotEmpty}},
	{words: "unknown node", kinds: []error{ErrUnknownNode}},
	{words: "my primary is unknown to me", kinds: []error{ErrUnknownNode}},
	{words: "can't forget my primary", kinds: []error{ErrMyPrimary}},
	{words: "can't forget myself", kinds: []error{ErrMyself}},
	{words: "can't replicate myself", kinds: []error{ErrMyself}},
	{words: "i can only replicate a primary", kinds: []error{ErrNotPrimary}},
	{words: "cluster failover to a replica", kinds: []error{ErrNotReplica}},
	{words: "config epoch is already non-zero", kinds: []error{errEpochSettled}},
	{words: "only when the node does not know any other node", kinds: []error{errEpochSettled}},
	{words: "max number of clients", kinds: []error{errHangsUp}},
}

// errEpochSettled says that a node does not take a config epoch any more.
var errEpochSettled = errors.New("config epoch is settled")

// plainWords makes the words of Redis and of Valkey the same.
var plainWords = strings.NewReplacer("master", "primary", "slave", "replica")

func newReplyError(text string) *ReplyError {
	// A server that does not know a command repeats its arguments, which may be a password.
	text, _, _ = strings.Cut(text, ", with args beginning with")
	plain := plainWords.Replace(strings.ToLower(text))
	code, _, _ := strings.Cut(plain, " ")
	for _, m := range replyMeanings {
		if m.code != "" && m.code == code || m.words != "" && strings.Contains(plain, m.words) {
			return &ReplyError{Text: text, kinds: m.kinds}
		}
	}
	return &ReplyError{Text: text}
}

// protocolError is an ErrNotRedis that was found while reading. As a type it is found again in what radix
// wraps around it.
type protocolError struct{ first []byte }

func (e *protocolError) Error() string {
	return fmt.Sprintf("%v: it begins with %q", ErrNotRedis, e.first)
}

func (*protocolError) Unwrap() error { return ErrNotRedis }

// transportError gives an error of connecting, writing or reading its meaning. The address is left out of
// it: the caller says it.
func transportError(ctx context.Context, err error) error {
	var (
		reply    *ReplyError
		protocol *protocolError
	)
	if errors.As(err, &reply) {
		return reply
	}
	// A caller that gave up says nothing about the node.
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	if ctx.Err() != nil || isTimeout(err) {
		return fmt.Errorf("%w: no answer in time (%w)", ErrNotReachable, context.DeadlineExceeded)
	}
	if isRefused(err) {
		return fmt.Errorf("%w: %w: %w", ErrNotReachable, ErrRefused, bare(err))
	}
	switch {
	case isTLS(err):
		return fmt.Errorf("%w: %w", ErrTLS, bare(err))
	case errors.As(err, &protocol):
		return protocol
	case errors.Is(err, ErrClosed):
		return ErrClosed
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: connection closed by the other side: %w", ErrNotReachable, io.EOF)
	}
	return fmt.Errorf("%w: %w", ErrNotReachable, bare(err))
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &netErr) && netErr.Timeout()
}

// isRefused is true when the kernel says that no socket listens: a unix socket may also have gone.
func isRefused(err error) bool {
	var opErr *net.OpError
	return errors.As(err, &opErr) && opErr.Op == "dial" &&
		(errors.Is(err, syscall.ECONNREFUSED) || opErr.Net == "unix" && errors.Is(err, syscall.ENOENT))
}

// isTLS is true for everything that ends a handshake but a broken connection. What the other side says
// about our certificate comes as a net.OpError, in TLS 1.3 only with the first answer.
func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		opErr  *net.OpError
	)
	return errors.As(err, &verify) || errors.As(err, &record) ||
		errors.As(err, &opErr) && (opErr.Op == "remote error" || opErr.Op == "local error")
}

// bare is the cause of a network error without the addresses around it.
func bare(err error) error {
	var (
		opErr   *net.OpError
		addrErr *net.AddrError
	)
	switch {
	case errors.As(err, &addrErr):
		return errors.New(addrErr.Err)
	case errors.As(err, &opErr):
		return opErr.Err
	}
	return err
}

// failed says what was done and where. The password is taken out whatever a server has put into its words.
func failed(op string, ep Endpoint, err error) error {
	if err == nil {
		return nil
	}
	return redact(fmt.Errorf("%s %s: %w", op, ep.Addr, err), ep.Credentials.Password)
}

// redactedError is an error whose text held a secret.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }

// Is reaches the cause without unwrapping to it: its text has the secret.
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// redact takes secrets out of the text of an error. What it matches with errors.Is stays.
func redact(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	if text == err.Error() {
		return err
	}
	return &redactedError{text: text, err: err}
}
