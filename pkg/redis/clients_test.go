package redis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// connections is how many the server has ever accepted.
func connections(t *testing.T, s *redistest.Server) string {
	t.Helper()
	for line := range strings.Lines(s.MustDo(t, "INFO", "stats")) {
		if count, found := strings.CutPrefix(strings.TrimSpace(line), "total_connections_received:"); found {
			return count
		}
	}
	t.Fatal("INFO stats has no total_connections_received")
	return ""
}

func TestClients_ReuseAConnection(t *testing.T) {
	server := redistest.Start(t, redistest.Options{Password: secret})
	clients := newClients(t, redis.Dialer{})
	observe(t, clients, server)
	id := connectedSince(t, server)
	for range 20 {
		observe(t, clients, server)
		// An answer that is an error does not cost the connection.
		if err := clients.Failover(t.Context(), server.Endpoint(), redis.Manual); !errors.Is(err, redis.ErrNotReplica) {
			t.Fatal(err)
		}
	}
	if again := connectedSince(t, server); again != id+1 {
		t.Errorf("40 calls made %d connections", again-id-1)
	}
}

// connectedSince counts connections over TCP and the socket, its own included.
func connectedSince(t *testing.T, s *redistest.Server) int {
	t.Helper()
	count := 0
	for _, digit := range connections(t, s) {
		count = count*10 + int(digit-'0')
	}
	return count
}

// A connection that the server has closed while it was idle is not the caller's problem.
func TestClients_DialAgain(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	clients := newClients(t, redis.Dialer{})
	observe(t, clients, server)
	server.MustDo(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	observe(t, clients, server)
	server.Kill()
	if _, err := clients.Observe(t.Context(), server.Endpoint()); !errors.Is(err, redis.ErrRefused) {
		t.Errorf("dead: %v", err)
	}
	server.Restart(t)
	observe(t, clients, server)
}

// A password that does not count any more is noticed, and so is one that counts again.
func TestClients_PasswordChanges(t *testing.T) {
	server := redistest.Start(t, redistest.Options{Users: []string{"operator on >" + secret + " ~* &* +@all"}})
	ep := server.Endpoint()
	ep.Credentials = redis.Credentials{Username: "operator", Password: secret}
	clients := newClients(t, redis.Dialer{})
	if _, err := clients.Observe(t.Context(), ep); err != nil {
		t.Fatal(err)
	}
	server.MustDo(t, "ACL", "DELUSER", "operator") // ends its connections
	if _, err := clients.Observe(t.Context(), ep); !errors.Is(err, redis.ErrAuth) {
		t.Errorf("deleted user: %v", err)
	}
	server.MustDo(t, "ACL", "SETUSER", "operator", "on", ">"+secret, "~*", "&*", "+@all")
	if _, err := clients.Observe(t.Context(), ep); err != nil {
		t.Errorf("new user: %v", err)
	}
}

func TestClients_Close(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	before := runtime.NumGoroutine()
	clients := redis.NewClients(redis.Dialer{})
	clients.ObserveAll(t.Context(), []redis.Endpoint{server.Endpoint(), server.Endpoint(), server.Endpoint()})
	clients.Close()
	clients.Close()
	if _, err := clients.Observe(t.Context(), server.Endpoint()); !errors.Is(err, redis.ErrClosed) {
		t.Errorf("got %v", err)
	}
	redistest.Eventually(t, 20*time.Second, func() error {
		if list := server.MustDo(t, "CLIENT", "LIST"); strings.Contains(list, "addr=127.0.0.1") {
			return errors.New("the server still has connections:\n" + list)
		}
		if now := runtime.NumGoroutine(); now > before {
			return errors.New("goroutines are left over")
		}
		return nil
	})
}

func TestPing(t *testing.T) {
	for _, engine := range redistest.Engines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			clients := newClients(t, redis.Dialer{})
			ping := func(s *redistest.Server, want redis.Liveness, is error) {
				t.Helper()
				redistest.Eventually(t, 20*time.Second, func() error {
					alive, err := clients.Ping(t.Context(), s.Endpoint())
					if alive != want || !errors.Is(err, is) {
						return errors.Join(errors.New("it is "+alive.String()), err)
					}
					return nil
				})
			}
			server := redistest.Start(t, redistest.Options{Engine: engine, Config: []string{"busy-reply-threshold 10"}})
			ping(server, redis.Answering, nil)

			script := inBackground(t, server, "EVAL", "while true do end", "0")
			ping(server, redis.Busy, redis.ErrBusy)
			if _, err := clients.Observe(t.Context(), server.Endpoint()); !errors.Is(err, redis.ErrBusy) {
				t.Errorf("observe while busy: %v", err)
			}
			server.MustDo(t, "SCRIPT", "KILL")
			<-script

			if err := clients.AddSlots(t.Context(), server.Endpoint(), 0, slots(0, 16383)); err != nil {
				t.Fatal(err)
			}
			redistest.Eventually(t, 20*time.Second, func() error {
				_, err := server.Do(t.Context(), "DEBUG", "POPULATE", "2000")
				return err
			})
			server.MustDo(t, "CONFIG", "SET", "key-load-delay", "5000", "loading-process-events-interval-bytes", "1024")
			reload := inBackground(t, server, "DEBUG", "RELOAD")
			ping(server, redis.Loading, redis.ErrLoading)
			info, err := clients.Observe(t.Context(), server.Endpoint())
			if info == nil && !errors.Is(err, redis.ErrLoading) || info != nil && !info.Loading {
				t.Errorf("observe while loading: %+v, %v", info, err)
			}
			t.Logf("a table while loading: %v", info != nil)
			server.MustDo(t, "CONFIG", "SET", "key-load-delay", "0")
			<-reload
			ping(server, redis.Answering, nil)

			follower := redistest.Start(t, redistest.Options{
				Engine: engine, Standalone: true, Config: []string{"replicaof 127.0.0.1 1", "replica-serve-stale-data no"},
			})
			ping(follower, redis.PrimaryDown, redis.ErrPrimaryDown)
			server.Kill()
			ping(server, redis.Unreachable, redis.ErrRefused)
		})
	}
}

// inBackground sends a command that takes long, and closes the channel when it is answered.
func inBackground(t *testing.T, s *redistest.Server, name string, args ...string) chan struct{} {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Do(t.Context(), name, args...)
	}()
	return done
}

func TestWatch(t *testing.T) {
	clients := newClients(t, redis.Dialer{})
	soon := func(ended chan error) (time.Duration, error) {
		t.Helper()
		start := time.Now()
		select {
		case err := <-ended:
			return time.Since(start), err
		case <-time.After(20 * time.Second):
			t.Fatal("it still watches")
			return 0, nil
		}
	}
	server := redistest.Start(t, redistest.Options{Password: secret})

	ended := watch(t.Context(), clients, server)
	awaitWatch(t, server)
	server.Pause(t)
	select {
	case err := <-ended:
		t.Errorf("a server that is stopped is not dead: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	server.Kill()
	took, err := soon(ended)
	// The end of the connection is what was seen, and not that a PING was not answered.
	if !errors.Is(err, redis.ErrNotReachable) || !errors.Is(err, io.EOF) {
		t.Errorf("after %v: %v", took, err)
	}
	checkError(t, "watch", server.UnixEndpoint(), err)
	t.Logf("death seen %v after the process was reaped", took)

	if err = clients.Watch(t.Context(), server.UnixEndpoint()); !errors.Is(err, redis.ErrRefused) {
		t.Errorf("a new connection to the dead: %v", err)
	}

	server.Restart(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended = watch(ctx, clients, server)
	awaitWatch(t, server)
	cancel()
	awaitPings(t, server, 1)
	if _, err = soon(ended); !errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrNotReachable) {
		t.Errorf("given up: %v", err)
	}

	ended = watch(t.Context(), clients, server)
	awaitWatch(t, server)
	server.MustDo(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	if _, err = soon(ended); !errors.Is(err, redis.ErrNotReachable) {
		t.Errorf("killed connection: %v", err)
	}
}

// watch watches until the connection breaks, and then sends the error.
func watch(ctx context.Context, clients *redis.Clients, s *redistest.Server) chan error {
	ended := make(chan error, 1)
	go func() { ended <- clients.Watch(ctx, s.UnixEndpoint()) }()
	return ended
}

// awaitWatch returns when the server has answered the first PING of a watch. Another connection that has
// sent one is that of redistest.
func awaitWatch(t *testing.T, s *redistest.Server) {
	t.Helper()
	awaitPings(t, s, 2)
}

// awaitPings returns when so many connections have sent a PING last.
func awaitPings(t *testing.T, s *redistest.Server, count int) {
	t.Helper()
	redistest.Eventually(t, 20*time.Second, func() error {
		if list := s.MustDo(t, "CLIENT", "LIST"); strings.Count(list, "cmd=ping") != count {
			return fmt.Errorf("not %d that have sent PING:\n%s", count, list)
		}
		return nil
	})
}
