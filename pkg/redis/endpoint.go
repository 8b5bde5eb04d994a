package redis

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// Endpoint is where a node listens and how to be let in.
type Endpoint struct {
	Addr        string // "ip:port", or a path when Network is "unix"
	Network     string // "tcp" when empty
	Credentials Credentials
}

func (e Endpoint) network() string {
	if e.Network == "" {
		return "tcp"
	}
	return e.Network
}

// Credentials are a user of Redis and its password. Without a username they are those of the user
// "default"; the zero value does not authenticate at all.
//
// No verb of fmt prints the password. But fmt cannot call the methods of a value in an unexported field:
// a struct that keeps credentials in one must not be printed.
type Credentials struct {
	Username string
	Password string `json:"-"`
}

// String is the username and whether there is a password.
func (c Credentials) String() string {
	switch {
	case c == Credentials{}:
		return "anonymous"
	case c.Password == "":
		return c.user()
	}
	return c.user() + ":" + redacted
}

// GoString is String: %#v must not print the password either.
func (c Credentials) GoString() string { return "redis.Credentials{" + c.String() + "}" }

// Format answers every verb with String or GoString. Without it %d would print the fields.
func (c Credentials) Format(f fmt.State, verb rune) { format(f, verb, c) }

// discreet is a value that hides a secret when it is printed.
type discreet interface {
	fmt.Stringer
	fmt.GoStringer
}

func format(f fmt.State, verb rune, value discreet) {
	text := value.String()
	if verb == 'v' && f.Flag('#') {
		text = value.GoString()
	}
	_, _ = io.WriteString(f, text) // a Formatter cannot return an error
}

func (c Credentials) user() string {
	if c.Username == "" {
		return "default"
	}
	return c.Username
}

// redacted stands where a secret would.
const redacted = "***"

// Dialer is how connections are made.
type Dialer struct {
	// DialTimeout bounds connecting, the TLS handshake and AUTH; 0: only CommandTimeout does.
	DialTimeout time.Duration
	// CommandTimeout bounds one call on one node as a whole, dialling included; 0: DefaultCommandTimeout.
	CommandTimeout time.Duration
	// TLS is used on every network but "unix"; nil: plain. An empty ServerName means the address dialled.
	TLS *tls.Config
}

// DefaultCommandTimeout is long enough for a table of a thousand nodes over a slow network, and short
// enough for one look at a cluster of which some nodes hang.
const DefaultCommandTimeout = 2 * time.Second

func (d Dialer) withDefaults() Dialer {
	if d.CommandTimeout <= 0 {
		d.CommandTimeout = DefaultCommandTimeout
	}
	if d.DialTimeout <= 0 {
		d.DialTimeout = d.CommandTimeout
	}
	return d
}

// transport makes the one network connection that radix asks for, and remembers the bare socket: closing
// it is what interrupts a write to a server that has stopped reading, which radix itself does not.
type transport struct {
	tls *tls.Config
	raw net.Conn
}

// DialContext connects, and shakes hands when there is a TLS configuration.
func (t *transport) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	t.raw = raw
	if t.tls == nil || network == "unix" {
		return raw, nil
	}
	conn := tls.Client(raw, serverName(t.tls, addr))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake's error is the one that counts
		return nil, err
	}
	return conn, nil
}

// serverName is the configuration with the name that the certificate has to have.
func serverName(config *tls.Config, addr string) *tls.Config {
	if config.ServerName != "" || config.InsecureSkipVerify {
		return config
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return config // dialling has already refused such an address
	}
	config = config.Clone()
	config.ServerName = host
	return config
}
