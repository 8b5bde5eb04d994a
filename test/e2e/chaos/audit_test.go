package chaos

import (
	"os"
	"path/filepath"
	"testing"
)

func line(user, verb, resource, name string) string {
	return `{"stage":"ResponseComplete","verb":"` + verb + `","user":{"username":"` + user + `"},"objectRef":{"resource":"` +
		resource + `","namespace":"ns","name":"` + name + `"},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z"}` + "\n"
}

// The log is read while it is written: a line may come in two parts, and the file may begin anew.
func TestAudit_Next(t *testing.T) {
	t.Parallel()
	const operator = "system:serviceaccount:redis-operator:op-redis-operator"
	path := filepath.Join(t.TempDir(), "audit.log")
	write := func(text string) {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	log := &audit{path: path}
	expect := func(names ...string) {
		t.Helper()
		found, err := log.next()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range found {
			got = append(got, e.ObjectRef.Name)
		}
		if len(got) != len(names) {
			t.Fatalf("found %q, want %q", got, names)
		}
		for i := range names {
			if got[i] != names[i] {
				t.Errorf("found %q, want %q", got, names)
			}
		}
	}
	whole := line(operator, "delete", "pods", "demo-1")
	write(line("admin", "delete", "pods", "demo-0") + line(operator, "update", "leases", "lease") + whole[:40])
	expect()
	write(whole[40:] + line(operator, "patch", "events", "event"))
	expect("demo-1", "event")
	expect()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(whole)
	expect("demo-1")
}
