package controller

import (
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// outdated says whether an error only means that something moved between the look and the write: a step was
// refused by a check at the moment of harm, or gossip has not arrived yet. It is no fault, but a reason to look again.
// Of several errors all must mean that: a refusal by one node makes a fault of another no better.
func outdated(err error) bool {
	switch e := err.(type) { //nolint:errorlint // one layer at a time
	case nil:
		return false
	case interface{ Unwrap() []error }:
		all := e.Unwrap()
		return slices.ContainsFunc(all, isMark) || !slices.ContainsFunc(all, func(e error) bool { return !outdated(e) })
	case interface{ Unwrap() error }:
		return outdated(e.Unwrap())
	}
	return errors.Is(err, kube.ErrStale) || errors.Is(err, redis.ErrUnknownNode) || errors.Is(err, redis.ErrBack)
}

// isMark is true for the bare sentinels, which mark the error that they are wrapped together with.
func isMark(err error) bool {
	//nolint:errorlint // the sentinels themselves
	return err == kube.ErrStale || err == redis.ErrUnknownNode || err == redis.ErrBack
}

// reasonOf is the condition reason that an error stands for.
func reasonOf(err error) string {
	if _, moving := errors.AsType[*moveError](err); moving {
		return redisv1.ReasonMoveFailed
	}
	switch {
	case errors.Is(err, redis.ErrRefusedSetting):
		return redisv1.ReasonSettingRefused
	case errors.Is(err, kube.ErrVolumeConflict):
		return redisv1.ReasonVolumeConflict
	case errors.Is(err, kube.ErrNameConflict):
		return redisv1.ReasonNameConflict
	case errors.Is(err, kube.ErrSecretNotFound):
		return redisv1.ReasonSecretNotFound
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		return redisv1.ReasonInvalidSpec
	}
	return redisv1.ReasonReconcileError
}
