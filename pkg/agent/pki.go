package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	certLifetime = 90 * 24 * time.Hour
	// backdate lets a machine whose clock is behind accept a certificate that was just made.
	backdate = time.Hour

	blockCert = "CERTIFICATE"
	blockKey  = "EC PRIVATE KEY"
)

// AgentName is the DNS name in the certificate that the agents of a cluster share. It is resolved nowhere.
func AgentName(clusterUID string) string { return "agent." + domain(clusterUID) }

// OperatorName is the DNS name in the operator's certificate for a cluster. It is resolved nowhere.
func OperatorName(clusterUID string) string { return "operator." + domain(clusterUID) }

func domain(clusterUID string) string { return clusterUID + ".redisoperator.internal" }

// CA is the certificate authority of one RedisCluster. Whoever shows a certificate of it belongs to
// that cluster, and its certificates are good for nothing else: the names it may sign are constrained.
type CA struct {
	// CertPEM and KeyPEM are what is kept in the Secret.
	CertPEM, KeyPEM []byte

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes the authority of the cluster with this UID, good for ten years.
func NewCA(clusterUID string, now time.Time) (CA, error) {
	if clusterUID == "" {
		return CA{}, errors.New("new certificate authority: no cluster UID")
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return CA{}, fmt.Errorf("new certificate authority: %w", err)
	}
	template, err := newTemplate("redisoperator "+clusterUID, now, caLifetime)
	if err != nil {
		return CA{}, fmt.Errorf("new certificate authority: %w", err)
	}
	template.IsCA = true
	template.MaxPathLenZero = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	template.PermittedDNSDomainsCritical = true
	template.PermittedDNSDomains = []string{domain(clusterUID)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return CA{}, fmt.Errorf("new certificate authority: %w", err)
	}
	return ParseCA(pem.EncodeToMemory(&pem.Block{Type: blockCert, Bytes: der}), keyPEM)
}

// ParseCA reads an authority back from its Secret. Certificate and key must belong together.
func ParseCA(certPEM, keyPEM []byte) (CA, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return CA{}, fmt.Errorf("parse certificate authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return CA{}, fmt.Errorf("parse certificate authority: key is %T, not ECDSA", pair.PrivateKey)
	}
	if !pair.Leaf.IsCA {
		return CA{}, errors.New("parse certificate authority: the certificate is not one of an authority")
	}
	return CA{CertPEM: certPEM, KeyPEM: keyPEM, cert: pair.Leaf, key: key}, nil
}

// IssueAgent makes the certificate that the cluster's agents share, as servers and as clients of each other.
func (ca CA) IssueAgent(clusterUID string, now time.Time) (certPEM, keyPEM []byte, err error) {
	return ca.issue(AgentName(clusterUID), now, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
}

// IssueOperator makes the operator's certificate, good as a client only.
func (ca CA) IssueOperator(clusterUID string, now time.Time) (certPEM, keyPEM []byte, err error) {
	return ca.issue(OperatorName(clusterUID), now, x509.ExtKeyUsageClientAuth)
}

func (ca CA) issue(name string, now time.Time, usages ...x509.ExtKeyUsage) (certPEM, keyPEM []byte, err error) {
	if ca.cert == nil {
		return nil, nil, fmt.Errorf("issue %s: the certificate authority is empty", name)
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("issue %s: %w", name, err)
	}
	template, err := newTemplate(name, now, certLifetime)
	if err != nil {
		return nil, nil, fmt.Errorf("issue %s: %w", name, err)
	}
	template.DNSNames = []string{name}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = usages
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue %s: %w", name, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockCert, Bytes: der}), keyPEM, nil
}

// NeedsRenewal says whether less than a third of the certificate's life is left, or it cannot be read.
// It holds for authorities too.
func NeedsRenewal(certPEM []byte, now time.Time) bool {
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != blockCert {
		return true
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return true
	}
	life := cert.NotAfter.Sub(cert.NotBefore)
	return now.Before(cert.NotBefore) || cert.NotAfter.Sub(now) < life/3
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// newTemplate is what every certificate has. The common name is for a person; only DNS names are checked.
func newTemplate(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: shorten(name)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(life),
		BasicConstraintsValid: true,
	}, nil
}

// shorten keeps a common name within the 64 characters that X.509 allows it.
func shorten(name string) string { return name[:min(64, len(name))] }
