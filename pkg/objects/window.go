package objects

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // images of operators have no time zones

	"github.com/robfig/cron/v3"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// Closed says why what is well is not to be disturbed at a time, and until when; "" while it may be. A window that
// cannot be read is an error, and does not open.
func Closed(rc *redisv1.RedisCluster, now time.Time) (string, error) {
	windows := rc.Spec.Maintenance.Windows
	var errs []error
	var next time.Time
	open := len(windows) == 0
	for i, w := range windows {
		opens, err := openingOf(w)
		long, misread := time.ParseDuration(w.Duration)
		if err = errors.Join(err, misread); err != nil {
			errs = append(errs, fmt.Errorf("spec.maintenance.windows[%d]: %w", i, err))
			continue
		}
		// One that opened before this has closed again by now.
		last := opens.Next(now.Add(-long))
		open = open || !last.IsZero() && !last.After(now)
		if at := opens.Next(now); next.IsZero() || !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	const closed = "no window of spec.maintenance.windows is open, "
	switch {
	case open:
		return "", errors.Join(errs...)
	case next.IsZero():
		return closed + "and none will be", errors.Join(errs...)
	}
	return closed + "the next one opens at " + next.UTC().Format(time.RFC3339), errors.Join(errs...)
}

// openingOf is when a window opens. What the parser knows beside five fields is not part of the API.
func openingOf(w redisv1.MaintenanceWindow) (cron.Schedule, error) {
	place, err := time.LoadLocation(w.TimeZone) // "" is UTC
	if err != nil {
		return nil, fmt.Errorf("timeZone: %w", err)
	}
	if strings.Contains(w.Schedule, "=") { // TZ=: the parser panics when nothing comes after it
		return nil, fmt.Errorf("schedule: %q: the time zone is a field of its own", w.Schedule)
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(w.Schedule)
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("schedule: %q is another kind of schedule", w.Schedule)
	}
	spec.Location = place
	return spec, nil
}
