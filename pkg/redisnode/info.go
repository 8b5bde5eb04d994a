package redisnode

import (
	"context"
	"errors"
	"time"
)

// Info is what a node says of itself to a person who may exec into its pod: `redisnode info`.
type Info struct {
	UsedMemory int64  `json:"usedMemory"` // bytes
	MaxMemory  int64  `json:"maxMemory"`  // bytes; 0: no limit
	Keys       int64  `json:"keys"`
	Role       string `json:"role,omitempty"` // primary or replica
	ReplOffset int64  `json:"replOffset"`
	Clients    int64  `json:"connectedClients"`
	Version    string `json:"version,omitempty"`
	// Error says why the node has nothing to say.
	Error string `json:"error,omitempty"`
}

const infoBound = 5 * time.Second

// nodeInfo looks anew: who has just written a key wants to see it counted.
func (a *Agent) nodeInfo(ctx context.Context) Info {
	look := a.node.look(ctx)
	if look.info == nil {
		if look.err != nil {
			return Info{Error: look.err.Error()}
		}
		return Info{Error: "redis has not been looked at yet"}
	}
	return Info{
		UsedMemory: look.info.UsedBytes,
		MaxMemory:  look.info.MaxBytes,
		Keys:       look.info.Keys,
		Role:       roleName(look.info.Self().Role),
		ReplOffset: look.info.ReplOffset,
		Clients:    look.info.Clients,
		Version:    look.info.Version,
	}
}

// AskInfo asks the agent of this pod for its node's Info.
func AskInfo(ctx context.Context, runDir string) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, infoBound)
	defer cancel()
	var i Info
	if err := callGate(ctx, runDir, pathInfo, &i); err != nil {
		return Info{}, err
	}
	if i.Error != "" {
		return Info{}, errors.New(i.Error)
	}
	return i, nil
}
