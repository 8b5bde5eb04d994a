package agent

import "errors"

// ErrForeign says that whoever answers at an address does not belong to the cluster: its certificate
// does not verify, it does not accept ours, it speaks something else, or its status names another cluster.
var ErrForeign = errors.New("not an agent of this cluster")

// RefusedError is an agent's answer that it will not do what it was asked, and why.
type RefusedError struct {
	// Code is the HTTP status code.
	Code    int
	Message string
}

func (e *RefusedError) Error() string { return "refused: " + e.Message }
