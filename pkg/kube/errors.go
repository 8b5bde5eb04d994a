package kube

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
)

var (
	// ErrStale says that a write was refused because the object is no longer what the caller saw, or is on its way
	// out. It is a reason to look again, not a fault.
	ErrStale = errors.New("the object has changed since it was looked at")
	// ErrNameConflict says that an object of somebody else has the name that the cluster needs.
	ErrNameConflict = errors.New("name is taken")
	// ErrVolumeConflict says that a volume claim holds the data of another RedisCluster.
	ErrVolumeConflict = errors.New("volume claim of another RedisCluster")
	// ErrNotResizable says that the API server does not take other resources for a running pod.
	ErrNotResizable = errors.New("its resources cannot change while it runs")
	// ErrSecretNotFound says that a Secret, or a key in it, is missing.
	ErrSecretNotFound = errors.New("secret not found")
)

// ConflictError names the object that has the name, and its owner. It matches ErrNameConflict.
type ConflictError struct {
	Kind  string
	Name  string
	Owner string // "" when nobody owns it
}

// Error implements error.
func (e *ConflictError) Error() string {
	if e.Owner == "" {
		return fmt.Sprintf("%s %s exists and is not the operator's: rename it or the RedisCluster", e.Kind, e.Name)
	}
	return fmt.Sprintf("%s %s exists and belongs to %s: rename it or the RedisCluster", e.Kind, e.Name, e.Owner)
}

// Is makes errors.Is(err, ErrNameConflict) true.
func (*ConflictError) Is(target error) bool { return target == ErrNameConflict }

// GrowthError names the volume claim that the API server does not let grow, and its class.
type GrowthError struct {
	Claim       string
	Class       string
	Has, Wanted resource.Quantity
	cause       error
}

// Error implements error.
func (e *GrowthError) Error() string {
	return fmt.Sprintf("volume claim %s of class %s cannot grow from %s to %s: where the class does not allow it, set "+
		"allowVolumeExpansion: true in StorageClass %s if its driver can, or set spec.storage.size back to %s (%v)",
		e.Claim, e.Class, e.Has.String(), e.Wanted.String(), e.Class, e.Has.String(), e.cause)
}

// Unwrap is what the API server said.
func (e *GrowthError) Unwrap() error { return e.cause }

// stale marks a conflict as a reason to look again, and leaves every other error as it is.
func stale(err error) error {
	if apierrors.IsConflict(err) {
		return fmt.Errorf("%w: %w", ErrStale, err)
	}
	return err
}
