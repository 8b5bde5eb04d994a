package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// maxBody bounds every body, in both directions.
	maxBody = 64 << 10
	// maxTable bounds a table: that of a thousand nodes has two hundred bytes a node. A redis.conf is smaller.
	maxTable = 1 << 20
)

// The paths of the API.
const (
	pathStatus    = "/v1/status"
	pathNodes     = "/v1/nodes"
	pathSlots     = "/v1/slots"
	pathTable     = "/v1/table"
	pathLaunch    = "/v1/launch"
	pathPromote   = "/v1/promote"
	pathIntroduce = "/v1/introduce"
	pathFence     = "/v1/fence"
	pathUnfence   = "/v1/unfence"
)

// Client calls the agents of one cluster. Every connection proves in its handshake that the other end
// belongs to that cluster, so that an address that has changed hands is noticed. How long a call may
// take is its context's business.
type Client struct {
	clusterUID string
	http       *http.Client
}

// NewClient makes a client for the agents of the cluster with this UID.
func NewClient(source Source, clusterUID string, now func() time.Time) *Client {
	d := dialer{source: source, clusterUID: clusterUID, now: now}
	return &Client{
		clusterUID: clusterUID,
		http: &http.Client{
			Transport: &http.Transport{
				DialTLSContext:         d.dial,
				MaxIdleConnsPerHost:    1,
				IdleConnTimeout:        30 * time.Second,
				MaxResponseHeaderBytes: maxBody,
				// No proxy: the addresses are pods'.
				Proxy: nil,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return errors.New("an agent does not redirect")
			},
		},
	}
}

// NewOperatorClient makes a client that shows the operator's certificate, which it makes itself, keeps
// in memory only, and renews in time.
func NewOperatorClient(ca CA, clusterUID string, now func() time.Time) (*Client, error) {
	o := &operatorSource{ca: ca, clusterUID: clusterUID, now: now}
	if _, err := o.load(); err != nil {
		return nil, err
	}
	return NewClient(o.load, clusterUID, now), nil
}

type operatorSource struct {
	ca         CA
	clusterUID string
	now        func() time.Time

	mu      sync.Mutex
	certPEM []byte
	current Credentials
}

func (o *operatorSource) load() (Credentials, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if o.certPEM != nil && !NeedsRenewal(o.certPEM, now) {
		return o.current, nil
	}
	certPEM, keyPEM, err := o.ca.IssueOperator(o.clusterUID, now)
	if err != nil {
		return Credentials{}, err
	}
	current, err := NewCredentials(o.ca.CertPEM, certPEM, keyPEM)
	if err != nil {
		return Credentials{}, err
	}
	o.certPEM, o.current = certPEM, current
	return current, nil
}

// Status asks the agent at this address for its status.
func (c *Client) Status(ctx context.Context, ip string) (Status, error) {
	return ask(ctx, c, ip, pathStatus, func(s Status) string { return s.ClusterUID })
}

// Nodes asks the agent at this address what its node knows of the cluster.
func (c *Client) Nodes(ctx context.Context, ip string) (Nodes, error) {
	return ask(ctx, c, ip, pathNodes, func(n Nodes) string { return n.ClusterUID })
}

// Slots asks the agent at this address what its node owns.
func (c *Client) Slots(ctx context.Context, ip string) (Slots, error) {
	return ask(ctx, c, ip, pathSlots, func(s Slots) string { return s.ClusterUID })
}

// Table asks the agent at this address for its node's table.
func (c *Client) Table(ctx context.Context, ip string) (Table, error) {
	return ask(ctx, c, ip, pathTable, func(t Table) string { return t.ClusterUID })
}

// Launch asks the agent at this address what its redis was started with.
func (c *Client) Launch(ctx context.Context, ip string) (Launch, error) {
	return ask(ctx, c, ip, pathLaunch, func(l Launch) string { return l.ClusterUID })
}

// ask gets an answer, and refuses one of another cluster.
func ask[A any](ctx context.Context, c *Client, ip, path string, clusterOf func(A) string) (A, error) {
	var answer, none A
	if err := c.call(ctx, ip, path, nil, &answer); err != nil {
		return none, err
	}
	if uid := clusterOf(answer); uid != c.clusterUID {
		return none, fmt.Errorf("agent %s: %s of cluster %q: %w", ip, path, uid, ErrForeign)
	}
	return answer, nil
}

// Promote asks the replica at this address to become primary, and returns when it is.
func (c *Client) Promote(ctx context.Context, ip string, r PromoteRequest) error {
	return c.call(ctx, ip, pathPromote, r, nil)
}

// Introduce asks the agent at this address to have its node tell another what it owns.
func (c *Client) Introduce(ctx context.Context, ip string, r IntroduceRequest) error {
	return c.call(ctx, ip, pathIntroduce, r, nil)
}

// Fence keeps the redis at this address from being started again.
func (c *Client) Fence(ctx context.Context, ip string, r FenceRequest) error {
	return c.call(ctx, ip, pathFence, r, nil)
}

// Unfence lifts a fence.
func (c *Client) Unfence(ctx context.Context, ip string, r FenceRequest) error {
	return c.call(ctx, ip, pathUnfence, r, nil)
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) call(ctx context.Context, ip, path string, in, out any) error {
	err := c.exchange(ctx, "https://"+net.JoinHostPort(ip, strconv.Itoa(Port))+path, in, out)
	if err != nil {
		return fmt.Errorf("agent %s: %w", ip, foreign(err))
	}
	return nil
}

// exchange posts in, or gets when there is none.
func (c *Client) exchange(ctx context.Context, url string, in, out any) error {
	method := http.MethodGet
	var body io.Reader
	if in != nil {
		method = http.MethodPost
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	bound := bodyBound(req.URL.Path)
	data, err := io.ReadAll(io.LimitReader(resp.Body, bound+1))
	if err != nil {
		return err
	}
	if int64(len(data)) > bound {
		return fmt.Errorf("answer of more than %d bytes: %w", bound, ErrForeign)
	}
	if resp.StatusCode/100 != 2 {
		var reply ErrorReply
		_ = json.Unmarshal(data, &reply) // A body that is not ours leaves the message empty.
		if reply.Error == "" {
			reply.Error = resp.Status
		}
		return &RefusedError{Code: resp.StatusCode, Message: reply.Error}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

func bodyBound(path string) int64 {
	if path == pathTable || path == pathLaunch {
		return maxTable
	}
	return maxBody
}

type dialer struct {
	source     Source
	clusterUID string
	now        func() time.Time
}

func (d dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	credentials, err := d.source()
	if err != nil {
		return nil, err
	}
	var raw net.Dialer
	conn, err := raw.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, clientConfig(credentials, d.clusterUID, d.now))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// foreign marks an error that proves that the other end is not one of ours: its certificate does not verify, it
// does not speak TLS, or it says that it does not accept ours, which in TLS 1.3 comes with the first answer.
func foreign(err error) error {
	var unverified *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var network *net.OpError
	if errors.As(err, &unverified) || errors.As(err, &notTLS) ||
		errors.As(err, &network) && network.Op == "remote error" {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return err
}
