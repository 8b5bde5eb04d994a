package redis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

const secret = "s3cr3t-password"

func newClients(tb testing.TB, dialer redis.Dialer) *redis.Clients {
	tb.Helper()
	clients := redis.NewClients(dialer)
	tb.Cleanup(clients.Close)
	return clients
}

func TestObserve(t *testing.T) {
	certs := redistest.NewCertificates(t)
	user := redis.Credentials{Username: "operator", Password: secret}
	for name, tt := range map[string]struct {
		opts   redistest.Options
		dialer redis.Dialer
		change func(s *redistest.Server, ep *redis.Endpoint)
	}{
		"plain":    {},
		"password": {opts: redistest.Options{Password: secret}},
		"ACL user": {
			opts:   redistest.Options{Password: "another", Users: []string{"operator on >" + secret + " ~* &* +@all"}},
			change: func(_ *redistest.Server, ep *redis.Endpoint) { ep.Credentials = user },
		},
		"unix socket": {
			opts:   redistest.Options{Password: secret},
			change: func(s *redistest.Server, ep *redis.Endpoint) { *ep = s.UnixEndpoint() },
		},
		"tls": {
			opts:   redistest.Options{Password: secret, TLS: certs},
			dialer: redis.Dialer{TLS: certs.Client},
		},
		"unix socket of a tls server": {
			opts:   redistest.Options{TLS: certs},
			dialer: redis.Dialer{TLS: certs.Client},
			change: func(s *redistest.Server, ep *redis.Endpoint) { *ep = s.UnixEndpoint() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.opts.Config = append(tt.opts.Config, "maxmemory 100mb")
			server := redistest.Start(t, tt.opts)
			ep := server.Endpoint()
			if tt.change != nil {
				tt.change(server, &ep)
			}
			clients := newClients(t, tt.dialer)
			info, err := clients.Observe(t.Context(), ep)
			if err != nil {
				t.Fatal(err)
			}
			self := info.Self()
			if len(self.ID) != 40 || self.Role != cluster.Primary || len(info.Table) != 1 {
				t.Errorf("table %v", info.Table)
			}
			if info.StateOK || info.Loading || !info.LinkUp || info.Keys != 0 || info.UsedBytes == 0 ||
				info.MaxBytes != 100<<20 || info.Version != server.Engine.Version {
				t.Errorf("got %+v", info)
			}
			if alive, err := clients.Ping(t.Context(), ep); alive != redis.Answering || err != nil {
				t.Errorf("ping: %v, %v", alive, err)
			}
		})
	}
}

// errAny stands for an answer of the server that has no meaning of its own.
var errAny = errors.New("any error")

// TestObserve_Fails has everything that can stand at an address instead of a node that lets us in.
func TestObserve_Fails(t *testing.T) {
	certs, others := redistest.NewCertificates(t), redistest.NewCertificates(t)
	plain := redistest.Start(t, redistest.Options{Password: secret, Users: []string{"weak on >" + secret + " +ping"}})
	secure := redistest.Start(t, redistest.Options{TLS: certs})
	lonely := redistest.Start(t, redistest.Options{Standalone: true})
	full := redistest.Start(t, redistest.Options{Standalone: true, Config: []string{"maxclients 1"}})
	stopped := redistest.Start(t, redistest.Options{Password: secret})
	stopped.Pause(t)
	as := func(user, password string) func(redis.Endpoint) redis.Endpoint {
		return func(ep redis.Endpoint) redis.Endpoint {
			ep.Credentials = redis.Credentials{Username: user, Password: password}
			return ep
		}
	}
	at := func(network, addr string) redis.Endpoint {
		return redis.Endpoint{Network: network, Addr: addr, Credentials: redis.Credentials{Password: secret}}
	}
	// Who does not answer is waited for, and who does has time to.
	const silence, hung = 300 * time.Millisecond, 20 * time.Second
	for name, tt := range map[string]struct {
		dialer redis.Dialer
		ep     redis.Endpoint
		want   error
		alive  redis.Liveness
	}{
		"nobody listens":       {ep: at("", "127.0.0.1:1"), want: redis.ErrRefused},
		"nobody's socket":      {ep: at("unix", t.TempDir()+"/no.sock"), want: redis.ErrRefused},
		"a socket left behind": {ep: at("unix", leftBehind(t)), want: redis.ErrRefused},
		"no address":           {ep: at("", "nonsense"), want: redis.ErrNotReachable},
		"silent":               {ep: at("", listen(t, silent)), want: redis.ErrNotReachable},
		"hangs up":             {ep: at("", listen(t, hangUp)), want: redis.ErrNotReachable},
		"web server":           {ep: at("", listen(t, web)), want: redis.ErrNotRedis},
		"endless web server":   {ep: at("", listen(t, endless)), want: redis.ErrNotReachable},
		"stopped":              {ep: stopped.Endpoint(), want: redis.ErrNotReachable},
		"wrong password":       {ep: as("", "wrong-password")(plain.Endpoint()), want: redis.ErrAuth, alive: redis.Denied},
		"wrong user":           {ep: as("nobody", secret)(plain.Endpoint()), want: redis.ErrAuth, alive: redis.Denied},
		"no password":          {ep: as("", "")(plain.Endpoint()), want: redis.ErrAuth, alive: redis.Denied},
		"may only ping":        {ep: as("weak", secret)(plain.Endpoint()), want: redis.ErrNoPermission, alive: redis.Answering},
		"no cluster":           {ep: lonely.Endpoint(), want: redis.ErrClusterDisabled, alive: redis.Answering},
		"too many clients":     {ep: full.Endpoint(), want: errAny, alive: redis.Refusing},
		"plain to tls":         {ep: secure.Endpoint(), want: redis.ErrNotReachable},
		"tls to plain": {
			// It takes the handshake for the beginning of a command, and waits for the rest.
			dialer: redis.Dialer{TLS: certs.Client}, ep: plain.Endpoint(), want: redis.ErrNotReachable,
		},
		"certificate of others": {
			dialer: redis.Dialer{TLS: others.Client}, ep: secure.Endpoint(), want: redis.ErrTLS, alive: redis.Denied,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.dialer.CommandTimeout = hung; errors.Is(tt.want, redis.ErrNotReachable) {
				tt.dialer.CommandTimeout = silence
			}
			clients := newClients(t, tt.dialer)
			start := time.Now()
			info, err := clients.Observe(t.Context(), tt.ep)
			if took := time.Since(start); took > hung {
				t.Errorf("took %v", took)
			}
			if info != nil || err == nil || !errors.Is(err, tt.want) && !errors.Is(tt.want, errAny) {
				t.Errorf("got %+v, %v, want %v", info, err, tt.want)
			}
			checkError(t, "observe", tt.ep, err)
			alive, err := clients.Ping(t.Context(), tt.ep)
			// Who is full says so and hangs up. A question that comes after that gets no answer, now and then.
			for alive == redis.Unreachable && tt.alive == redis.Refusing && time.Since(start) < hung {
				alive, err = clients.Ping(t.Context(), tt.ep)
			}
			if alive != tt.alive || (err == nil) != (alive == redis.Answering) {
				t.Errorf("ping: %v, %v, want %v", alive, err, tt.alive)
			}
			if err != nil {
				checkError(t, "ping", tt.ep, err)
			}
		})
	}
}

// The server's verdict comes only after the handshake, together with the end of the connection: which of
// the two is seen first is chance.
func TestObserve_NoCertificate(t *testing.T) {
	certs := redistest.NewCertificates(t)
	server := redistest.Start(t, redistest.Options{TLS: certs})
	trusting := certs.Client.Clone()
	trusting.Certificates = nil
	_, err := newClients(t, redis.Dialer{TLS: trusting}).Observe(t.Context(), server.Endpoint())
	if !errors.Is(err, redis.ErrTLS) && !errors.Is(err, redis.ErrNotReachable) {
		t.Errorf("got %v", err)
	}
}

// checkError wants the operation and the address once, and no password.
func checkError(t *testing.T, op string, ep redis.Endpoint, err error) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if strings.Contains(text, secret) || strings.Contains(text, "wrong-password") {
		t.Errorf("a password in %q", text)
	}
	if !strings.HasPrefix(err.Error(), op+" "+ep.Addr+": ") || strings.Count(err.Error(), ep.Addr) != 1 {
		t.Errorf("got %q, want %q and the address once", err, op)
	}
	t.Log(err)
}

// listen serves connections and gives the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}

// leftBehind is the path of a socket whose listener has died.
func leftBehind(t *testing.T) string {
	t.Helper()
	path := t.TempDir() + "/old.sock"
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func hangUp(conn net.Conn) { _ = conn.Close() }

func web(conn net.Conn) {
	_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n"))
	silent(conn)
}

// endless begins a reply of a gigabyte and goes on slowly.
func endless(conn net.Conn) {
	_, err := conn.Write([]byte("$1000000000\r\n"))
	for err == nil {
		time.Sleep(10 * time.Millisecond)
		_, err = conn.Write(make([]byte, 100))
	}
}

// A server that has stopped reading must not hold a call that writes more than fits into the buffers.
func TestMeet_ServerDoesNotRead(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	clients := newClients(t, redis.Dialer{CommandTimeout: 2 * time.Second})
	if _, err := clients.Observe(t.Context(), server.Endpoint()); err != nil {
		t.Fatal(err)
	}
	server.Pause(t)
	peers := make([]redis.Peer, 100)
	for i := range peers {
		peers[i] = redis.Peer{IP: strings.Repeat("1", 200_000), Port: server.Port}
	}
	start := time.Now()
	err := clients.Meet(t.Context(), server.Endpoint(), peers)
	if took := time.Since(start); took > 20*time.Second || !errors.Is(err, redis.ErrNotReachable) {
		t.Errorf("after %v: %v", took, err)
	}
}

func TestObserve_CallerGivesUp(t *testing.T) {
	t.Parallel()
	clients := newClients(t, redis.Dialer{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := clients.Observe(ctx, redis.Endpoint{Addr: listen(t, silent)})
	if !errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrNotReachable) {
		t.Errorf("got %v: a caller that gives up says nothing about the node", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = clients.Observe(ctx, redis.Endpoint{Addr: listen(t, silent)})
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, redis.ErrNotReachable) {
		t.Errorf("got %v: the caller's deadline is as good as ours", err)
	}
}

// A table of a thousand nodes, with a line of INFO that no parser knows.
func TestObserve_BigTable(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	for i := range 1000 {
		flags := "master"
		if i == 500 {
			flags = "myself,master"
		}
		fmt.Fprintf(&table, "%040d 10.0.%d.%d:6379@16379,a-long-host-name-%d.example.org %s - 0 1700000000000 %d connected %d-%d\n",
			i, i/250, i%250, i, flags, i, i*16, i*16+15)
	}
	bulk := func(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }
	addr := listen(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, bulk(table.String())+bulk("cluster_state:ok\r\ncluster_current_epoch:1000\r\n")+
			bulk("# Server\r\nredis_version:9.0.0\r\nno colon here\r\nused_memory:many\r\ndb0:keys=7,expires=0\r\n"))
		silent(conn)
	})
	info, err := newClients(t, redis.Dialer{}).Observe(t.Context(), redis.Endpoint{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Table) != 1000 || info.Self().Slots.Len() != 16 || !info.StateOK || info.CurrentEpoch != 1000 ||
		info.Keys != 7 || info.Version != "redis 9.0.0" {
		t.Errorf("%d nodes, %+v", len(info.Table), info.Self())
	}
}

// A text without the node's own line is no observation.
func TestObserve_NoSelf(t *testing.T) {
	t.Parallel()
	addr := listen(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, strings.Repeat("$0\r\n\r\n", 3))
		silent(conn)
	})
	_, err := newClients(t, redis.Dialer{}).Observe(t.Context(), redis.Endpoint{Addr: addr})
	if !errors.Is(err, redis.ErrNotRedis) {
		t.Errorf("got %v", err)
	}
}

// No engine repeats a value that it refuses, but one may some day.
func TestConfigSet_ServerRepeatsTheValue(t *testing.T) {
	t.Parallel()
	addr := listen(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "-ERR masterauth cannot be '"+secret+"'\r\n")
		silent(conn)
	})
	settings := []redis.Setting{{Name: "masterauth", Value: secret}}
	err := newClients(t, redis.Dialer{}).ConfigSet(t.Context(), redis.Endpoint{Addr: addr}, settings)
	if want := "config set " + addr + ": ERR masterauth cannot be '***'"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("unwrapping uncovers the value: %v", err)
		}
	}
}

func TestObserveAll(t *testing.T) {
	const timeout = 5 * time.Second // for 17 servers that have just started
	servers := redistest.StartMany(t, 17, redistest.Options{})
	servers[5].Pause(t)
	eps := make([]redis.Endpoint, 0, 20)
	for _, s := range servers {
		eps = append(eps, s.Endpoint())
	}
	eps = append(eps, redis.Endpoint{Addr: "127.0.0.1:1"}, redis.Endpoint{Addr: listen(t, silent)}, servers[0].Endpoint())
	dead := map[int]bool{5: true, 17: true, 18: true}

	start := time.Now()
	observations := newClients(t, redis.Dialer{CommandTimeout: timeout}).ObserveAll(t.Context(), eps)
	if took := time.Since(start); took >= 2*timeout {
		t.Errorf("two nodes that hang at the same time cost %v, each may cost %v", took, timeout)
	}
	if len(observations) != len(eps) {
		t.Fatalf("%d observations of %d", len(observations), len(eps))
	}
	for i, o := range observations {
		switch {
		case dead[i] != (o.Err != nil) || dead[i] == (o.Info != nil):
			t.Errorf("%d: %+v, %v", i, o.Info, o.Err)
		case dead[i] && !strings.Contains(o.Err.Error(), eps[i].Addr):
			t.Errorf("%d: error of another node: %v", i, o.Err)
		case !dead[i] && string(o.Info.Self().ID) != servers[i%19].MustDo(t, "CLUSTER", "MYID"):
			t.Errorf("%d: observation of another node", i)
		}
	}
}

func BenchmarkObserveAll(b *testing.B) {
	for _, count := range []int{6, 30} {
		b.Run(fmt.Sprintf("nodes=%d", count), func(b *testing.B) {
			c := redistest.Form(b, count/2, 1, redistest.Options{})
			eps := c.Endpoints()
			for b.Loop() {
				for _, o := range c.Clients.ObserveAll(b.Context(), eps) {
					if o.Err != nil {
						b.Fatal(o.Err)
					}
				}
			}
		})
	}
}
