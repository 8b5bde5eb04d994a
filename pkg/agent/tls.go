package agent

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The names of the certificate files in their directory, as a Secret of type kubernetes.io/tls has them.
const (
	CAFile   = "ca.crt"
	CertFile = "tls.crt"
	KeyFile  = "tls.key"
)

// Credentials are one moment's certificate, key, and the authorities that are trusted.
type Credentials struct {
	CAs  *x509.CertPool
	Cert tls.Certificate
}

// Source gives the credentials to use for a new connection.
type Source func() (Credentials, error)

// NewCredentials reads credentials from PEM.
func NewCredentials(caPEM, certPEM, keyPEM []byte) (Credentials, error) {
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return Credentials{}, fmt.Errorf("read certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caPEM) {
		return Credentials{}, errors.New("read certificate authority: no certificate in it")
	}
	return Credentials{CAs: pool, Cert: cert}, nil
}

// NewFileSource reads credentials from a directory, again whenever the files have changed. Files that
// are caught half-way through an update are passed over: the last ones that fit together stay in use.
func NewFileSource(dir string) Source {
	f := &fileSource{dir: dir}
	return f.load
}

type fileSource struct {
	dir string

	mu      sync.Mutex
	stamp   [3]os.FileInfo
	current Credentials
	loaded  bool
}

func (f *fileSource) load() (Credentials, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamp, err := f.look()
	if err == nil && f.loaded && sameFiles(stamp, f.stamp) {
		return f.current, nil
	}
	var fresh Credentials
	if err == nil {
		fresh, err = f.read()
	}
	switch {
	case err == nil:
		f.current, f.stamp, f.loaded = fresh, stamp, true
		return fresh, nil
	case f.loaded:
		return f.current, nil
	}
	return Credentials{}, err
}

// sameFiles says whether nothing has changed: two that are written within a tick of the file system's clock have the
// same time, and are two files all the same.
func sameFiles(a, b [3]os.FileInfo) bool {
	for i := range a {
		if !os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() {
			return false
		}
	}
	return true
}

// look stats the files: kubelet swaps a symlink to others.
func (f *fileSource) look() ([3]os.FileInfo, error) {
	var stamp [3]os.FileInfo
	for i, name := range []string{CAFile, CertFile, KeyFile} {
		info, err := os.Stat(filepath.Join(f.dir, name))
		if err != nil {
			return stamp, fmt.Errorf("look at certificate: %w", err)
		}
		stamp[i] = info
	}
	return stamp, nil
}

func (f *fileSource) read() (Credentials, error) {
	var content [3][]byte
	for i, name := range []string{CAFile, CertFile, KeyFile} {
		data, err := os.ReadFile(filepath.Join(f.dir, name))
		if err != nil {
			return Credentials{}, fmt.Errorf("read certificate: %w", err)
		}
		content[i] = bytes.TrimSpace(data)
	}
	return NewCredentials(content[0], content[1], content[2])
}

// clientConfig is for a connection to an agent of the cluster, and to nobody else.
func clientConfig(c Credentials, clusterUID string, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		ServerName:   AgentName(clusterUID),
		RootCAs:      c.CAs,
		Certificates: []tls.Certificate{c.Cert},
		Time:         now,
	}
}

// serverConfig demands a certificate of the cluster's authority from every caller.
func serverConfig(source Source, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		Time:       now,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := source()
			if err != nil {
				return nil, err
			}
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				Certificates: []tls.Certificate{c.Cert},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    c.CAs,
				Time:         now,
				// A ticket would let a caller in without its certificate being looked at again.
				SessionTicketsDisabled: true,
			}, nil
		},
	}
}
