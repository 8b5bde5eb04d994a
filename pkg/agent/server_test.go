package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is an agent that notes what it was asked.
type fake struct {
	mu      sync.Mutex
	orders  []string
	highest int64
	refuse  error
	uid     string
}

func (f *fake) note(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse == nil {
		f.orders = append(f.orders, what)
	}
	return f.refuse
}

func (f *fake) Status(context.Context) Status { return Status{ClusterUID: f.uid, PodName: "demo-0"} }

func (f *fake) Nodes(context.Context) Nodes {
	return Nodes{ClusterUID: f.uid, NodeID: "me", Served: true, IDs: []string{"me", "other"}}
}

func (f *fake) Slots(context.Context) Slots {
	return Slots{ClusterUID: f.uid, PodUID: "pod", NodeID: "me", Slots: "0-5", Epoch: 3}
}

func (f *fake) Table(context.Context) Table {
	return Table{ClusterUID: f.uid, NodeID: "me", Running: true, Nodes: strings.Repeat("x", 2*maxBody)}
}

func (f *fake) Launch(context.Context) Launch {
	return Launch{ClusterUID: f.uid, PodUID: "pod", Conf: strings.Repeat("x", 2*maxBody)}
}

func (f *fake) Promote(_ context.Context, r PromoteRequest) error {
	return f.note("promote " + string(r.Mode))
}

func (f *fake) Introduce(_ context.Context, r IntroduceRequest) error {
	return f.note("introduce " + r.IP)
}

func (f *fake) Hold(_ context.Context, r HoldRequest) (Hold, error) {
	return Hold{Millis: 7, Reign: Death{Slots: "0-5", Offset: 9}}, f.note("hold " + r.ReplicaID)
}

func (f *fake) Release(_ context.Context, r HoldRequest) error {
	return f.note("release " + r.ReplicaID)
}

func (f *fake) Fence(context.Context, FenceRequest) error   { return f.note("fence") }
func (f *fake) Unfence(context.Context, FenceRequest) error { return f.note("unfence") }
func (f *fake) Highest() int64                              { f.mu.Lock(); defer f.mu.Unlock(); return f.highest }

func (f *fake) Raise(g int64) error { f.mu.Lock(); defer f.mu.Unlock(); f.highest = g; return nil }

// source is fixed credentials.
func source(t *testing.T, ca CA, issue func(string, time.Time) ([]byte, []byte, error), uid string, now time.Time) Source {
	t.Helper()
	certPEM, keyPEM, err := issue(uid, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCredentials(ca.CertPEM, certPEM, keyPEM)
	return func() (Credentials, error) { return c, err }
}

func clock() time.Time { return testNow }

// serve starts an agent, and gives a dialer of clients to it whatever address they call.
func serve(t *testing.T, f *fake, s Source) func(*Client) *Client {
	t.Helper()
	on, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(f, Identity{ClusterUID: testUID, PodUID: "pod"}, f, s, clock)
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(on, "", "") }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return func(c *Client) *Client {
		transport, ok := c.http.Transport.(*http.Transport)
		if !ok {
			t.Fatal("no transport")
		}
		dial := transport.DialTLSContext
		transport.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, on.Addr().String())
		}
		t.Cleanup(c.Close)
		return c
	}
}

func operator(t *testing.T, ca CA) *Client {
	t.Helper()
	c, err := NewOperatorClient(ca, testUID, clock)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServer_WhoMayDoWhat(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	f := &fake{uid: testUID}
	via := serve(t, f, source(t, ca, ca.IssueAgent, testUID, testNow))
	peer := via(NewClient(source(t, ca, ca.IssueAgent, testUID, testNow), testUID, clock))
	op := via(operator(t, ca))
	order := Order{ClusterUID: testUID, PodUID: "pod"}
	for _, c := range []*Client{peer, op} {
		if s, err := c.Status(t.Context(), "192.0.2.1"); err != nil || s.PodName != "demo-0" {
			t.Errorf("status: %+v, %v", s, err)
		}
		if n, err := c.Nodes(t.Context(), "192.0.2.1"); err != nil || n.NodeID != "me" || !n.Served || len(n.IDs) != 2 {
			t.Errorf("nodes: %+v, %v", n, err)
		}
		if s, err := c.Slots(t.Context(), "192.0.2.1"); err != nil || s.Slots != "0-5" || s.Epoch != 3 || s.Generation != f.Highest() {
			t.Errorf("slots: %+v, %v", s, err)
		}
		if table, err := c.Table(t.Context(), "192.0.2.1"); err != nil || !table.Running || len(table.Nodes) != 2*maxBody {
			t.Errorf("table: %d bytes, %v", len(table.Nodes), err)
		}
		if l, err := c.Launch(t.Context(), "192.0.2.1"); err != nil || l.PodUID != "pod" || len(l.Conf) != 2*maxBody {
			t.Errorf("launch: %d bytes, %v", len(l.Conf), err)
		}
		if err := c.Promote(t.Context(), "192.0.2.1", PromoteRequest{Order: order, Mode: PromoteForce}); err != nil {
			t.Errorf("promote: %v", err)
		}
		if err := c.Introduce(t.Context(), "192.0.2.1", IntroduceRequest{Order: order, IP: "192.0.2.2"}); err != nil {
			t.Errorf("introduce: %v", err)
		}
	}
	var refused *RefusedError
	for _, call := range []func(context.Context, string, FenceRequest) error{peer.Fence, peer.Unfence} {
		if err := call(t.Context(), "192.0.2.1", FenceRequest{order}); !errors.As(err, &refused) || refused.Code != 403 {
			t.Errorf("a peer fenced: %v", err)
		}
	}
	for _, call := range []func(context.Context, string, FenceRequest) error{op.Fence, op.Unfence} {
		if err := call(t.Context(), "192.0.2.1", FenceRequest{order}); err != nil {
			t.Errorf("the operator could not: %v", err)
		}
	}
	request := HoldRequest{Order: order, ReplicaID: "r"}
	if h, err := peer.Hold(t.Context(), "192.0.2.1", request); err != nil || h.Millis != 7 || h.Reign.Slots != "0-5" || h.Reign.Offset != 9 {
		t.Errorf("hold: %+v, %v", h, err)
	}
	if err := peer.Release(t.Context(), "192.0.2.1", request); err != nil {
		t.Errorf("release: %v", err)
	}
	if _, err := op.Hold(t.Context(), "192.0.2.1", request); !errors.As(err, &refused) || refused.Code != 403 {
		t.Errorf("the operator stopped writes: %v", err)
	}
	if got := strings.Join(f.orders, ", "); got != strings.Join([]string{
		"promote Force", "introduce 192.0.2.2", "promote Force", "introduce 192.0.2.2", "fence", "unfence", "hold r", "release r",
	}, ", ") {
		t.Errorf("orders: %s", got)
	}
}

// Two operators at once (FAULTS.md, case 18): whatever the order is, one of a lower generation than was seen is refused.
func TestFault18_OrdersOfOldGenerations(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	f := &fake{uid: testUID, highest: 5}
	op := serve(t, f, source(t, ca, ca.IssueAgent, testUID, testNow))(operator(t, ca))
	old := Order{testUID, "pod", 4}
	for name, err := range map[string]error{
		"promote":   op.Promote(t.Context(), "192.0.2.1", PromoteRequest{Order: old}),
		"introduce": op.Introduce(t.Context(), "192.0.2.1", IntroduceRequest{Order: old}),
		"fence":     op.Fence(t.Context(), "192.0.2.1", FenceRequest{old}),
		"unfence":   op.Unfence(t.Context(), "192.0.2.1", FenceRequest{old}),
	} {
		if err == nil || !strings.Contains(err.Error(), "generation 4, and one of 5 was seen") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(f.orders) > 0 {
		t.Errorf("obeyed: %v", f.orders)
	}
}

func TestServer_Orders(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	f := &fake{uid: testUID, highest: 5}
	op := serve(t, f, source(t, ca, ca.IssueAgent, testUID, testNow))(operator(t, ca))
	for _, test := range []struct {
		name    string
		order   Order
		refused string
	}{
		{"of the generation seen", Order{testUID, "pod", 5}, ""},
		{"of a newer one", Order{testUID, "pod", 7}, ""},
		{"replayed from before", Order{testUID, "pod", 5}, "generation 5, and one of 7 was seen"},
		{"for another cluster", Order{"other", "pod", 9}, `for cluster "other"`},
		{"for the pod before", Order{testUID, "old", 9}, `for pod UID "old"`},
		{"of the newest", Order{testUID, "pod", 7}, ""},
	} {
		err := op.Fence(t.Context(), "192.0.2.1", FenceRequest{test.order})
		var refused *RefusedError
		switch {
		case test.refused == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.refused != "" && (!errors.As(err, &refused) || !strings.Contains(refused.Message, test.refused)):
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if len(f.orders) != 3 {
		t.Errorf("obeyed: %v", f.orders)
	}
	f.refuse = errors.New("the node is not in sync")
	err := op.Promote(t.Context(), "192.0.2.1", PromoteRequest{Order: Order{testUID, "pod", 7}})
	if err == nil || !strings.Contains(err.Error(), "refused: the node is not in sync") {
		t.Errorf("promote: %v", err)
	}
}

func TestClient_Foreign(t *testing.T) {
	t.Parallel()
	ca, other := newTestCA(t, testUID), newTestCA(t, testUID)
	third := newTestCA(t, "another")
	long := testNow.Add(-200 * 24 * time.Hour)
	ours := source(t, ca, ca.IssueAgent, testUID, testNow)
	for name, test := range map[string]struct {
		server, client Source
		uid            string
	}{
		"a server of another authority":         {server: source(t, other, other.IssueAgent, testUID, testNow)},
		"a server of another cluster":           {server: source(t, third, third.IssueAgent, "another", testNow)},
		"a server whose certificate is expired": {server: source(t, ca, ca.IssueAgent, testUID, long)},
		"a server with the operator's":          {server: source(t, ca, ca.IssueOperator, testUID, testNow)},
		"a caller of another authority":         {client: mixed(t, ca, other, testNow)},
		"a caller whose certificate is expired": {client: source(t, ca, ca.IssueAgent, testUID, long)},
		"a status of another cluster":           {uid: "another"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{uid: testUID}
			if test.uid != "" {
				f.uid = test.uid
			}
			if test.server == nil {
				test.server = ours
			}
			if test.client == nil {
				test.client = ours
			}
			c := serve(t, f, test.server)(NewClient(test.client, testUID, clock))
			if s, err := c.Status(t.Context(), "192.0.2.1"); !errors.Is(err, ErrForeign) {
				t.Errorf("%+v, %v", s, err)
			}
			request := PromoteRequest{Order: Order{testUID, "pod", 1}}
			if err := c.Promote(t.Context(), "192.0.2.1", request); test.uid == "" && !errors.Is(err, ErrForeign) {
				t.Error(err)
			}
			if len(f.orders) > 0 && test.uid == "" {
				t.Errorf("obeyed: %v", f.orders)
			}
		})
	}
}

// mixed trusts one authority and shows a certificate of another.
func mixed(t *testing.T, trust, show CA, now time.Time) Source {
	t.Helper()
	certPEM, keyPEM, err := show.IssueAgent(testUID, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCredentials(trust.CertPEM, certPEM, keyPEM)
	return func() (Credentials, error) { return c, err }
}

func TestClient_NotAnAgent(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	on, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = on.Close() })
	go func() {
		for {
			conn, err := on.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "-ERR unknown command\r\n")
			_ = conn.Close()
		}
	}()
	d := dialer{source: source(t, ca, ca.IssueAgent, testUID, testNow), clusterUID: testUID, now: clock}
	if _, err := d.dial(t.Context(), "tcp", on.Addr().String()); !errors.Is(foreign(err), ErrForeign) {
		t.Error(err)
	}
}

func TestServer_Bounds(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	f := &fake{uid: testUID}
	c := serve(t, f, source(t, ca, ca.IssueAgent, testUID, testNow))(operator(t, ca))
	for name, body := range map[string]string{
		"too long": `{"clusterUID":"` + strings.Repeat("x", 2*maxBody) + `"}`, "not JSON": "hello", "empty": "",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://192.0.2.1"+pathFence,
			bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, resp.Status)
		}
		_ = resp.Body.Close()
	}
	f.uid = strings.Repeat("x", 2*maxBody)
	if _, err := c.Status(t.Context(), "192.0.2.1"); !errors.Is(err, ErrForeign) {
		t.Errorf("an endless answer: %v", err)
	}
}

func TestServer_WithoutCertificate(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	f := &fake{uid: testUID}
	c := serve(t, f, source(t, ca, ca.IssueAgent, testUID, testNow))(NewClient(func() (Credentials, error) {
		all, err := source(t, ca, ca.IssueAgent, testUID, testNow)()
		return Credentials{CAs: all.CAs, Cert: tls.Certificate{}}, err
	}, testUID, clock))
	if s, err := c.Status(t.Context(), "192.0.2.1"); !errors.Is(err, ErrForeign) {
		t.Errorf("%+v, %v", s, err)
	}
	if n, err := c.Nodes(t.Context(), "192.0.2.1"); !errors.Is(err, ErrForeign) {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestNodes_OfAnotherCluster(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	c := serve(t, &fake{uid: "other"}, source(t, ca, ca.IssueAgent, testUID, testNow))(operator(t, ca))
	if n, err := c.Nodes(t.Context(), "192.0.2.1"); !errors.Is(err, ErrForeign) {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestFileSource_Reloads(t *testing.T) {
	t.Parallel()
	first, second := newTestCA(t, testUID), newTestCA(t, testUID)
	dir := t.TempDir()
	// As kubelet does: files are links into a directory that a link points to, which is swapped.
	put := func(version string, ca CA, key []byte) {
		certPEM, keyPEM, err := ca.IssueAgent(testUID, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if key != nil {
			keyPEM = key
		}
		sub := filepath.Join(dir, version)
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{CAFile: ca.CertPEM, CertFile: certPEM, KeyFile: keyPEM} {
			if err := os.WriteFile(filepath.Join(sub, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		link := filepath.Join(dir, "..tmp")
		if err := errors.Join(os.Symlink(version, link), os.Rename(link, filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	load := NewFileSource(dir)
	if _, err := load(); err == nil {
		t.Error("loads nothing")
	}
	for _, name := range []string{CAFile, CertFile, KeyFile} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	put("v1", first, nil)
	serial := func() string {
		t.Helper()
		c, err := load()
		if err != nil {
			t.Fatal(err)
		}
		return c.Cert.Leaf.SerialNumber.String()
	}
	one := serial()
	if again := serial(); again != one {
		t.Error("changed by itself")
	}
	put("v2", second, nil)
	two := serial()
	if two == one {
		t.Error("did not notice the change")
	}
	put("v3", first, second.KeyPEM) // does not fit together
	if serial() != two {
		t.Error("took half a change")
	}
	// A new certificate counts for the next connection.
	f := &fake{uid: testUID}
	via := serve(t, f, load)
	put("v4", first, nil)
	c := via(operator(t, first))
	if _, err := c.Status(t.Context(), "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

func TestOperatorClient_Renews(t *testing.T) {
	t.Parallel()
	now := testNow
	o := &operatorSource{ca: newTestCA(t, testUID), clusterUID: testUID, now: func() time.Time { return now }}
	serial := func() string {
		t.Helper()
		c, err := o.load()
		if err != nil {
			t.Fatal(err)
		}
		return c.Cert.Leaf.SerialNumber.String()
	}
	first := serial()
	now = now.Add(59 * 24 * time.Hour)
	if serial() != first {
		t.Error("renewed too early")
	}
	now = now.Add(2 * 24 * time.Hour)
	if serial() == first {
		t.Error("not renewed")
	}
}
