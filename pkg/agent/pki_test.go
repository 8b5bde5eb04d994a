package agent

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"
)

const testUID = "0b9f2a3e-8a57-4a0e-9c0b-1f0f0f0f0f0f"

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTestCA(t *testing.T, uid string) CA {
	t.Helper()
	ca, err := NewCA(uid, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func parseCert(t *testing.T, data []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(data)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		t.Fatalf("not one block of PEM: %q", data)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	ca, err := ParseCA(ca.CertPEM, ca.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.CertPEM)
	type issue func(string, time.Time) ([]byte, []byte, error)
	for name, test := range map[string]struct {
		issue  issue
		dns    string
		server bool
	}{
		"agents serve and call":   {issue: ca.IssueAgent, dns: "agent." + testUID + ".redisoperator.internal", server: true},
		"the operator only calls": {issue: ca.IssueOperator, dns: "operator." + testUID + ".redisoperator.internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certPEM, keyPEM, err := test.issue(testUID, testNow)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := NewCredentials(ca.CertPEM, certPEM, keyPEM); err != nil {
				t.Fatal(err)
			}
			cert := parseCert(t, certPEM)
			if life := cert.NotAfter.Sub(testNow); life != 90*24*time.Hour {
				t.Errorf("lives %s", life)
			}
			for usage, wanted := range map[x509.ExtKeyUsage]bool{
				x509.ExtKeyUsageClientAuth: true, x509.ExtKeyUsageServerAuth: test.server,
			} {
				_, err := cert.Verify(x509.VerifyOptions{
					DNSName: test.dns, Roots: roots, CurrentTime: testNow.Add(-59 * time.Minute),
					KeyUsages: []x509.ExtKeyUsage{usage},
				})
				if (err == nil) != wanted {
					t.Errorf("usage %v: %v", usage, err)
				}
			}
		})
	}
}

func TestNewCA_SignsOnlyForItsCluster(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	certPEM, _, err := ca.IssueAgent("another", testNow)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.CertPEM)
	_, err = parseCert(t, certPEM).Verify(x509.VerifyOptions{Roots: roots, CurrentTime: testNow})
	if err == nil {
		t.Error("a certificate for another cluster verifies")
	}
}

func TestParseCA_Refuses(t *testing.T) {
	t.Parallel()
	ca, other := newTestCA(t, testUID), newTestCA(t, testUID)
	leaf, leafKey, err := ca.IssueAgent(testUID, testNow)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2][]byte{
		"nothing":                {nil, nil},
		"a key of another":       {ca.CertPEM, other.KeyPEM},
		"what is no certificate": {[]byte("hello"), ca.KeyPEM},
		"what is no authority":   {leaf, leafKey},
	} {
		if _, err := ParseCA(pair[0], pair[1]); err == nil {
			t.Errorf("accepts %s", name)
		}
	}
	if _, _, err := (CA{}).IssueAgent(testUID, testNow); err == nil {
		t.Error("an empty authority signs")
	}
	if _, err := NewCA("", testNow); err == nil {
		t.Error("an authority of no cluster")
	}
}

func TestNeedsRenewal(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, testUID)
	certPEM, _, err := ca.IssueAgent(testUID, testNow)
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		cert   []byte
		at     time.Time
		wanted bool
	}{
		"new":                          {certPEM, testNow, false},
		"with more than a third left":  {certPEM, testNow.Add(59 * day), false},
		"with less than a third left":  {certPEM, testNow.Add(61 * day), true},
		"expired":                      {certPEM, testNow.Add(100 * day), true},
		"not valid yet":                {certPEM, testNow.Add(-2 * time.Hour), true},
		"an authority after six years": {ca.CertPEM, testNow.Add(6 * 365 * day), false},
		"an authority after seven":     {ca.CertPEM, testNow.Add(7 * 365 * day), true},
		"empty":                        {nil, testNow, true},
		"no certificate":               {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), testNow, true},
		"a key":                        {ca.KeyPEM, testNow, true},
	} {
		if got := NeedsRenewal(test.cert, test.at); got != test.wanted {
			t.Errorf("%s: %v", name, got)
		}
	}
}
