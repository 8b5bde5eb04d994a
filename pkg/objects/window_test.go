package objects

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

func window(schedule, duration, zone string) redisv1.MaintenanceWindow {
	return redisv1.MaintenanceWindow{Schedule: schedule, Duration: duration, TimeZone: zone}
}

func windows(w ...redisv1.MaintenanceWindow) *redisv1.RedisCluster {
	rc := &redisv1.RedisCluster{}
	rc.Spec.Maintenance.Windows = w
	return rc
}

func TestClosed(t *testing.T) {
	t.Parallel()
	const closed = "no window of spec.maintenance.windows is open, "
	saturday := window("0 2 * * SAT", "4h", "")
	for name, tc := range map[string]struct {
		windows []redisv1.MaintenanceWindow
		at      string
		want    string
		err     string
	}{
		"no window":             {nil, "2026-11-23T12:00:00Z", "", ""},
		"before it opens":       {[]redisv1.MaintenanceWindow{saturday}, "2026-11-28T01:59:59Z", closed + "the next one opens at 2026-11-28T02:00:00Z", ""},
		"when it opens":         {[]redisv1.MaintenanceWindow{saturday}, "2026-11-28T02:00:00Z", "", ""},
		"before it closes":      {[]redisv1.MaintenanceWindow{saturday}, "2026-11-28T05:59:59Z", "", ""},
		"when it closes":        {[]redisv1.MaintenanceWindow{saturday}, "2026-11-28T06:00:00Z", closed + "the next one opens at 2026-12-05T02:00:00Z", ""},
		"the next of two":       {[]redisv1.MaintenanceWindow{saturday, window("30 3 * * *", "1h", "")}, "2026-11-23T12:00:00Z", closed + "the next one opens at 2026-11-24T03:30:00Z", ""},
		"one of two is open":    {[]redisv1.MaintenanceWindow{saturday, window("30 3 * * *", "1h", "")}, "2026-11-24T04:00:00Z", "", ""},
		"over midnight":         {[]redisv1.MaintenanceWindow{window("0 23 * * *", "2h", "")}, "2026-11-24T00:30:00Z", "", ""},
		"longer than its turn":  {[]redisv1.MaintenanceWindow{window("0 * * * *", "2h", "")}, "2026-11-24T00:30:00Z", "", ""},
		"where clocks go ahead": {[]redisv1.MaintenanceWindow{window("0 2 * * *", "1h", "Europe/Berlin")}, "2026-11-24T01:30:00Z", "", ""},
		"in summer":             {[]redisv1.MaintenanceWindow{window("0 2 * * *", "1h", "Europe/Berlin")}, "2026-07-24T00:30:00Z", "", ""},
		"never":                 {[]redisv1.MaintenanceWindow{window("0 0 31 2 *", "1h", "")}, "2026-11-24T00:30:00Z", closed + "and none will be", ""},
		"an unknown place":      {[]redisv1.MaintenanceWindow{window("* * * * *", "1h", "Mars/Base")}, "2026-11-24T00:30:00Z", closed + "and none will be", "spec.maintenance.windows[0]: timeZone: unknown time zone Mars/Base"},
		"a range from the end":  {[]redisv1.MaintenanceWindow{saturday, window("5-3 * * * *", "1h", "")}, "2026-11-28T02:00:00Z", "", "spec.maintenance.windows[1]: schedule: "},
		"said while closed":     {[]redisv1.MaintenanceWindow{saturday, window("5-3 * * * *", "1h", "")}, "2026-11-28T01:00:00Z", closed + "the next one opens at 2026-11-28T02:00:00Z", "spec.maintenance.windows[1]: schedule: "},
		"what is no duration":   {[]redisv1.MaintenanceWindow{window("* * * * *", "an hour", "")}, "2026-11-28T01:00:00Z", closed + "and none will be", "spec.maintenance.windows[0]: time: invalid duration"},
		"what is no schedule":   {[]redisv1.MaintenanceWindow{window("TZ=", "1h", "")}, "2026-11-28T01:00:00Z", closed + "and none will be", "spec.maintenance.windows[0]: schedule: "},
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Closed(windows(tc.windows...), at)
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.HasPrefix(err.Error(), tc.err) {
			t.Errorf("%s: %q, %v, want %q, %q", name, got, err, tc.want, tc.err)
		}
	}
}

// A window is open from each minute that its schedule names for as long as it says, and at no other time.
func TestClosed_AnyTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		long := time.Duration(rapid.IntRange(1, 23*60).Draw(t, "minutes")) * time.Minute
		opened := time.Date(2026, 1, 1+rapid.IntRange(0, 364).Draw(t, "day"), hour, minute, 0, 0, time.UTC)
		rc := windows(window(opened.Format("4 15 * * *"), long.String(), ""))
		for after, open := range map[time.Duration]bool{0: true, long - time.Nanosecond: true, long: false, 24*time.Hour - 1: false} {
			if got, err := Closed(rc, opened.Add(after)); err != nil || (got == "") != open {
				t.Fatalf("%s after %s: %q, %v", after, rc.Spec.Maintenance.Windows[0].Schedule, got, err)
			}
		}
	})
}
