package redisnode

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// cli is redis-cli's answer, asked as a user.
func (p *testPod) cli(user, password string, args ...string) string {
	p.w.t.Helper()
	all := append([]string{"-h", p.ip, "-p", strconv.Itoa(agent.RedisPort), "-c", "--user", user}, args...)
	cmd := exec.CommandContext(p.w.t.Context(), "redis-cli", all...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// client is redis-cli for a client of the cluster.
func (p *testPod) client(args ...string) string {
	p.w.t.Helper()
	return p.cli("default", canary+"default", args...)
}

// pipe is redis-cli's answers to a script of commands.
func (p *testPod) pipe(script string) string {
	p.w.t.Helper()
	cmd := exec.CommandContext(p.w.t.Context(), "redis-cli", "-h", p.ip, "-c", "--user", "default")
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+canary+"default")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	must(p.w.t, err)
	return string(out)
}

// lineConn is the simplest client there is: one command, one line of answer.
type lineConn struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialLine(ctx context.Context, p *testPod) (*lineConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.endpoint().Addr)
	if err != nil {
		return nil, err
	}
	c := &lineConn{conn: conn, in: bufio.NewReader(conn)}
	if _, err := c.do("AUTH", canary+"default"); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *lineConn) do(args ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(c.conn, b.String()); err != nil {
		return "", err
	}
	line, err := c.in.ReadString('\n')
	return strings.TrimSpace(line), err
}

func (c *lineConn) close() { _ = c.conn.Close() }
