package redistest

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// clusterConn is a client of a whole cluster: it goes where it is sent. It shares no code with what it tests.
type clusterConn struct {
	servers []*Server
	conns   map[string]*nodeConn
	owners  map[cluster.Slot]string // as far as it was told
	last    *nodeConn               // that answered
	dawdle  func()                  // before it follows an ASK
}

// patient is how long a client tries one command.
const patient = 20 * time.Second

func newClusterConn(servers []*Server) *clusterConn {
	return &clusterConn{servers: servers, conns: map[string]*nodeConn{}, owners: map[cluster.Slot]string{}}
}

func (c *clusterConn) close() {
	for _, n := range c.conns {
		n.close()
	}
}

// do sends a command whose first argument is a key until somebody carries it out. When it was sent and no answer
// came it is not sent again: it may have been carried out.
func (c *clusterConn) do(ctx context.Context, t *Traffic, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	slot := KeySlot(args[1])
	addr, asking := c.owners[slot], false
	for try := 0; ; try++ {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if addr == "" {
			addr = c.servers[(int(slot)+try)%len(c.servers)].Addr()
		}
		n := c.node(addr)
		got, err := n.try(ctx, asking, args)
		asking = false
		code, to := redirect(err)
		switch {
		case err == nil:
			c.last = n
			return got, nil
		case code == "MOVED":
			t.redirs.Add(1)
			addr, c.owners[slot] = to, to
		case code == "ASK":
			t.redirs.Add(1)
			addr, asking = to, true
			c.dawdle()
		case code == "TRYAGAIN":
			time.Sleep(time.Millisecond)
		case errors.Is(err, errNotSent), code == "CLUSTERDOWN", code == "LOADING", code == "MASTERDOWN", code == "READONLY":
			t.failed.Add(1)
			time.Sleep(5 * time.Millisecond)
			delete(c.owners, slot)
			addr = ""
		default:
			t.failed.Add(1)
			delete(c.owners, slot)
			return "", err
		}
	}
}

func (c *clusterConn) node(addr string) *nodeConn {
	if c.conns[addr] == nil {
		var (
			config   *tls.Config
			password string
		)
		for _, s := range c.servers {
			if s.Addr() == addr {
				config, password = s.ClientTLS(), s.opts.Password
			}
		}
		c.conns[addr] = &nodeConn{addr: addr, tls: config, password: password}
	}
	return c.conns[addr]
}

// redirect is the code of an error, and the address in it.
func redirect(err error) (code, addr string) {
	var said serverError
	if !errors.As(err, &said) {
		return "", ""
	}
	words := strings.Fields(string(said))
	if len(words) > 2 {
		addr = words[2]
	}
	return words[0], addr
}

// serverError is an error that a server answered with.
type serverError string

func (e serverError) Error() string { return string(e) }

// errNotSent says that a server got nothing of a command.
var errNotSent = errors.New("not sent")

// nodeConn is a connection to one node that is made again after it broke.
type nodeConn struct {
	addr     string
	tls      *tls.Config
	password string
	conn     net.Conn
	read     *bufio.Reader
}

func (n *nodeConn) close() {
	if n.conn != nil {
		_ = n.conn.Close()
		n.conn = nil
	}
}

func (n *nodeConn) open(ctx context.Context) error {
	if n.conn != nil {
		return nil
	}
	dialer := &net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", n.addr)
	if err != nil {
		return err
	}
	if n.tls != nil {
		config := n.tls.Clone()
		config.ServerName, _, _ = net.SplitHostPort(n.addr)
		conn = tls.Client(conn, config)
	}
	n.conn, n.read = conn, bufio.NewReader(conn)
	if n.password == "" {
		return nil
	}
	_, err = n.ask(ctx, "AUTH", n.password)
	return err
}

func (n *nodeConn) ask(ctx context.Context, args ...string) (string, error) {
	return n.try(ctx, false, args)
}

// try sends one command, and before it ASKING when a server has sent us here.
func (n *nodeConn) try(ctx context.Context, asking bool, args []string) (string, error) {
	if err := n.open(ctx); err != nil {
		n.close()
		return "", fmt.Errorf("%w: %w", errNotSent, err)
	}
	var text strings.Builder
	if asking {
		text.WriteString("*1\r\n$6\r\nASKING\r\n")
	}
	fmt.Fprintf(&text, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(arg), arg)
	}
	got, err := n.exchange(asking, text.String())
	if err != nil && !errors.As(err, new(serverError)) {
		n.close()
	}
	return got, err
}

func (n *nodeConn) exchange(asking bool, text string) (string, error) {
	if err := n.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(n.conn, text); err != nil {
		return "", err
	}
	if !asking {
		return n.reply()
	}
	_, err := n.reply()
	if err != nil && !errors.As(err, new(serverError)) {
		return "", err
	}
	got, replied := n.reply() // there is one, whatever was said to ASKING
	return got, cmp.Or(err, replied)
}

// reply reads a reply that is not a list.
func (n *nodeConn) reply() (string, error) {
	line, err := n.read.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch line[0] {
	case '-':
		return "", serverError(line[1:])
	case '$':
		size, err := strconv.Atoi(line[1:])
		if err != nil || size < 0 {
			return "", err
		}
		body := make([]byte, size+2)
		_, err = io.ReadFull(n.read, body)
		return string(body[:size]), err
	}
	return line[1:], nil
}

// KeySlot is the slot of a key.
func KeySlot(key string) cluster.Slot {
	if _, after, found := strings.Cut(key, "{"); found {
		if tag, _, closed := strings.Cut(after, "}"); closed && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return cluster.Slot(crc % cluster.SlotCount)
}
