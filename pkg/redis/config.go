package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Setting is a directive of redis.conf that can be set live.
type Setting struct {
	Name  string
	Value string
}

// String is the setting as in redis.conf, without the value of one that is a secret.
func (s Setting) String() string {
	if s.secret() {
		return s.Name + " " + redacted
	}
	return s.Name + " " + s.Value
}

// GoString is String: %#v must not print a secret either.
func (s Setting) GoString() string { return fmt.Sprintf("redis.Setting{%q}", s.String()) }

// Format answers every verb with String or GoString, as that of Credentials does.
func (s Setting) Format(f fmt.State, verb rune) { format(f, verb, s) }

// secretSettings hold a password.
var secretSettings = []string{
	"masterauth", "primaryauth", "requirepass", "tls-client-key-file-pass", "tls-key-file-pass", "user",
}

func (s Setting) secret() bool { return slices.Contains(secretSettings, strings.ToLower(s.Name)) }

// ConfigGet is the live value of the directives that the server knows. Names may be patterns.
func (c *Clients) ConfigGet(ctx context.Context, ep Endpoint, names ...string) (map[string]string, error) {
	values := map[string]string{}
	if len(names) == 0 {
		return values, nil
	}
	err := c.call(ctx, ep, "config get", func(ctx context.Context) error {
		replies, err := c.do(ctx, ep, append(command{"CONFIG", "GET"}, names...))
		if err != nil {
			return err
		}
		for pair := range slices.Chunk(replies[0].list, 2) {
			if len(pair) == 2 {
				values[pair[0]] = pair[1]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// ConfigSet sets directives live, all of them or none. It does not write redis.conf.
func (c *Clients) ConfigSet(ctx context.Context, ep Endpoint, settings []Setting) error {
	if len(settings) == 0 {
		return nil
	}
	cmd := command{"CONFIG", "SET"}
	var secrets []string
	for _, s := range settings {
		cmd = append(cmd, s.Name, s.Value)
		if s.secret() {
			secrets = append(secrets, s.Value)
		}
	}
	return c.call(ctx, ep, "config set", func(ctx context.Context) error {
		_, err := c.do(ctx, ep, cmd)
		return redact(err, secrets...)
	})
}
