package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// Settings is what the node runs with: every directive that it knows, but for those that hold a password.
func (c *Clients) Settings(ctx context.Context, ep Endpoint) (map[string]string, error) {
	values, err := c.ConfigGet(ctx, ep, "*")
	maps.DeleteFunc(values, func(name, value string) bool { return Setting{name, value}.secret() })
	return values, err
}

// Configure sets directives live, all of them or none. When the server refuses one, the error is a SettingError.
func (c *Clients) Configure(ctx context.Context, ep Endpoint, settings []Setting) error {
	err := c.ConfigSet(ctx, ep, settings)
	if reply, said := errors.AsType[*ReplyError](err); said {
		return newSettingError(reply, settings, err)
	}
	return err
}

// NewSettingError is what Configure fails with when a server answers this to these settings.
func NewSettingError(text string, settings []Setting) *SettingError {
	reply := newReplyError(text)
	return newSettingError(reply, settings, reply)
}

func newSettingError(reply *ReplyError, settings []Setting, err error) *SettingError {
	return &SettingError{Name: namedIn(reply.Text, settings), Text: reply.Text, err: err}
}

// SettingError is a server that does not take a setting.
type SettingError struct {
	Name string // of the directive; "" when the server does not say
	Text string // the server's words

	err error
}

// Error is that of the command.
func (e *SettingError) Error() string { return e.err.Error() }

// Unwrap is the error of the command: ErrImmutable for a directive that is only read when a server starts, and
// ErrRefusedSetting for one that it does not know, or whose value it does not take.
func (e *SettingError) Unwrap() error { return e.err }

// namedIn is the setting that a server names, in quotes: "... (possibly related to argument 'hz') - ...".
func namedIn(text string, settings []Setting) string {
	for _, s := range settings {
		if strings.Contains(text, "'"+s.Name+"'") {
			return s.Name
		}
	}
	if len(settings) == 1 {
		return settings[0].Name
	}
	return ""
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
