package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mediocregopher/radix/v4"
	"golang.org/x/sync/errgroup"

	"github.com/redisoperator/redis-operator/pkg/redis"
)

// startTimeout is generous: the machine may be busy with other tests.
const startTimeout = 20 * time.Second

// Options are how a server is started. The zero value is a node of a cluster, with no password, by the
// default engine.
type Options struct {
	Engine     Engine
	Standalone bool     // without cluster-enabled
	Password   string   // of the user default
	Users      []string // as ACL SETUSER: "operator on >secret ~* &* +@all"
	TLS        *Certificates
	Config     []string // further lines of redis.conf; they win
}

// Server is a running server. Its directory, which holds redis.conf and the data, is its own.
type Server struct {
	Engine Engine
	IP     string
	Port   int
	Dir    string
	Socket string // its unix socket

	opts   Options
	port   port
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended
	pinger *redis.Clients
}

// Start starts a server and waits until it answers. It ends with the test.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	return StartMany(tb, 1, opts)[0]
}

// StartMany starts servers at the same time.
func StartMany(tb testing.TB, count int, opts Options) []*Server {
	tb.Helper()
	if opts.Engine.Server == "" {
		opts.Engine = Default(tb)
	}
	servers := make([]*Server, count)
	tb.Cleanup(func() {
		for _, s := range servers {
			s.discard()
		}
	})
	group, ctx := errgroup.WithContext(tb.Context())
	for i := range servers {
		group.Go(func() (err error) {
			servers[i], err = start(ctx, opts)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		tb.Fatal(err)
	}
	return servers
}

func start(ctx context.Context, opts Options) (*Server, error) {
	port, err := takePort(ctx)
	if err != nil {
		return nil, err
	}
	// Not t.TempDir: its paths are too long for a unix socket.
	dir, err := os.MkdirTemp("", "redistest-")
	if err != nil {
		port.give()
		return nil, err
	}
	s := &Server{
		Engine: opts.Engine, IP: "127.0.0.1", Port: port.number, Dir: dir, Socket: filepath.Join(dir, "redis.sock"),
		opts: opts, port: port, pinger: redis.NewClients(redis.Dialer{}),
	}
	if err := errors.Join(s.writeConfig(), s.run(ctx)); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

func (s *Server) writeConfig() error {
	listen := fmt.Sprintf("port %d", s.Port)
	if s.opts.TLS != nil {
		listen = fmt.Sprintf("port 0\ntls-port %d\ntls-replication yes\n%s", s.Port, s.opts.TLS.config())
	}
	lines := []string{
		listen, "bind 127.0.0.1", "protected-mode no", "daemonize no", "save \"\"", "appendonly no",
		"dir " + s.Dir, "logfile " + filepath.Join(s.Dir, "redis.log"), "unixsocket " + s.Socket,
		"repl-diskless-sync-delay 0", "enable-debug-command yes",
	}
	if !s.opts.Standalone {
		lines = append(lines, "cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 5000")
		if s.opts.TLS != nil {
			lines = append(lines, "tls-cluster yes")
		}
	}
	if s.opts.Password != "" {
		lines = append(lines, "requirepass "+s.opts.Password, "masterauth "+s.opts.Password)
	}
	for _, user := range s.opts.Users {
		lines = append(lines, "user "+user)
	}
	lines = append(lines, s.opts.Config...)
	return os.WriteFile(s.configFile(), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func (s *Server) configFile() string { return filepath.Join(s.Dir, "redis.conf") }

// run starts the process and waits until it answers or ends.
func (s *Server) run(ctx context.Context) error {
	// Not CommandContext: the server outlives this call, and is killed by discard.
	cmd := exec.Command(s.Engine.Server, s.configFile()) //nolint:gosec,noctx // see above; the test names it
	cmd.SysProcAttr = endsWithUs()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // a killed server has an exit status that nobody needs
		close(ended)
	}()
	s.cmd, s.ended = cmd, ended
	return s.awaitStart(ctx)
}

func (s *Server) awaitStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for {
		alive, err := s.pinger.Ping(ctx, s.UnixEndpoint())
		if alive.Alive() && alive != redis.Loading {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended at once:\n%s", s.Engine.Name, s.Log())
		case <-ctx.Done():
			return fmt.Errorf("%s did not start: %w\n%s", s.Engine.Name, err, s.Log())
		case <-retry.C:
		}
	}
}

// Log is what the server has logged.
func (s *Server) Log() string {
	text, err := os.ReadFile(filepath.Join(s.Dir, "redis.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Addr is "ip:port".
func (s *Server) Addr() string { return net.JoinHostPort(s.IP, strconv.Itoa(s.Port)) }

// Endpoint is the server's port, with the password of the user default.
func (s *Server) Endpoint() redis.Endpoint {
	return redis.Endpoint{Addr: s.Addr(), Credentials: redis.Credentials{Password: s.opts.Password}}
}

// UnixEndpoint is the server's unix socket, with the password of the user default.
func (s *Server) UnixEndpoint() redis.Endpoint {
	ep := s.Endpoint()
	ep.Network, ep.Addr = "unix", s.Socket
	return ep
}

// Peer is how other nodes meet the server.
func (s *Server) Peer() redis.Peer { return redis.Peer{IP: s.IP, Port: s.Port} }

// PID is the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill ends the process at once, and returns when it has ended.
func (s *Server) Kill() {
	if s == nil || s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.ended
}

// Restart starts the server again, after Kill, with its data and its port.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.run(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// Pause stops the process without ending it; Resume lets it go on.
func (s *Server) Pause(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGSTOP)
}

// Resume ends a Pause.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGCONT)
}

func (s *Server) signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		tb.Fatalf("%v to %s: %v", signal, s.Addr(), err)
	}
}

// Do sends any command over the unix socket, as the user default, and gives a reply that is not a list.
func (s *Server) Do(ctx context.Context, name string, args ...string) (string, error) {
	ep := s.UnixEndpoint()
	conn, err := radix.Dialer{AuthPass: ep.Credentials.Password}.Dial(ctx, ep.Network, ep.Addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	var text string
	err = conn.Do(ctx, radix.Cmd(&text, name, args...))
	return text, err
}

// MustDo is Do for a command that has to succeed.
func (s *Server) MustDo(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	text, err := s.Do(tb.Context(), name, args...)
	if err != nil {
		tb.Fatalf("%s %v at %s: %v", name, args, s.Addr(), err)
	}
	return text
}

// discard ends the server and removes what it leaves.
func (s *Server) discard() {
	if s == nil {
		return
	}
	s.Kill()
	s.pinger.Close()
	s.port.give()
	_ = os.RemoveAll(s.Dir) // a left-over directory must not fail a test
}

// ClientTLS is the configuration of a client of the server; nil when it speaks plain.
func (s *Server) ClientTLS() *tls.Config {
	if s.opts.TLS == nil {
		return nil
	}
	return s.opts.TLS.Client
}
