package controller

import (
	"bytes"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// agents keeps a client for the agents of each cluster: its connections and its certificate are worth
// keeping between looks. It is a cache: nothing depends on what is in it.
type agents struct {
	connect ConnectAgents
	mu      sync.Mutex
	clients map[cache.ObjectName]agentClient
}

type agentClient struct {
	uid    types.UID
	caCert []byte
	client AgentControl
}

func newAgents(connect ConnectAgents) *agents {
	return &agents{connect: connect, clients: map[cache.ObjectName]agentClient{}}
}

// of is the client for the agents of this cluster, under this authority.
func (a *agents) of(rc *redisv1.RedisCluster, ca agent.CA) (AgentControl, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := cache.MetaObjectToName(rc)
	known, ok := a.clients[key]
	if ok && known.uid == rc.UID && bytes.Equal(known.caCert, ca.CertPEM) {
		return known.client, nil
	}
	client, err := a.connect(ca, string(rc.UID))
	if err != nil {
		return nil, err
	}
	if ok {
		known.client.Close()
	}
	a.clients[key] = agentClient{uid: rc.UID, caCert: ca.CertPEM, client: client}
	return client, nil
}

// forget drops the client of a cluster that is gone.
func (a *agents) forget(key cache.ObjectName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.clients[key]; ok {
		known.client.Close()
		delete(a.clients, key)
	}
}
