package redis

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const secret = "s3cr3t-password"

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	credentials := Credentials{Username: "operator", Password: secret}
	endpoint := Endpoint{Addr: "10.0.0.1:6379", Credentials: credentials}
	values := map[string]any{
		"credentials": credentials, "pointer": &credentials,
		"endpoint": endpoint, "endpoint pointer": &endpoint, "endpoints": []Endpoint{endpoint},
		"map":     map[string]Endpoint{"a": endpoint},
		"setting": Setting{Name: "masterauth", Value: secret}, "settings": []Setting{{"requirepass", secret}},
		"valkey's setting": Setting{Name: "PrimaryAuth", Value: secret},
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s of %s prints the password: %s", verb, name, text)
			}
		}
	}
	if data, err := json.Marshal(endpoint); err != nil || strings.Contains(string(data), secret) {
		t.Errorf("json of an endpoint: %s, %v", data, err)
	}
	if got := fmt.Sprint(endpoint); !strings.Contains(got, "10.0.0.1:6379") || !strings.Contains(got, "operator") {
		t.Errorf("an endpoint says neither where nor who: %s", got)
	}
	if got := (Setting{"maxmemory", "1gb"}).String(); got != "maxmemory 1gb" {
		t.Errorf("a setting that is no secret: %q", got)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	ep := Endpoint{Addr: "10.0.0.1:6379", Credentials: Credentials{Password: secret}}
	err := failed("ping", ep, fmt.Errorf("%w: server says %s", ErrAuth, secret))
	if got, want := err.Error(), "ping 10.0.0.1:6379: not authenticated: server says ***"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, ErrAuth) {
		t.Error("a redacted error has lost its meaning")
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), secret) {
			t.Errorf("unwrapping uncovers the password: %v", e)
		}
	}
}
