package v1

// MaintenanceSpec says when what is well may be disturbed.
type MaintenanceSpec struct {
	// Windows are the times at which pods are replaced for an update and roles are moved to a better placement; at any
	// time when there are none. One pod or role that was begun in a window is brought to its end. What is broken is
	// repaired at any time, and what somebody asks for by another field is done at once: scaling, settings that nodes take
	// while they run, hibernation.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Windows []MaintenanceWindow `json:"windows,omitempty"`
}

// MaintenanceWindow is a time that comes again and again.
type MaintenanceWindow struct {
	// Schedule says when the window opens: a cron expression of five fields, minute, hour, day of the month, month and
	// day of the week. "0 2 * * SAT" is two o'clock in the night to every Saturday.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() == 5",message="spec.maintenance.windows[].schedule must have five fields, with one space between them: minute, hour, day of the month, the month, day of the week"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[0].split(',').all(f, f.matches('^([*]|[0-5]?[0-9](-[0-5]?[0-9])?)(/[1-9][0-9]?)?$'))",message="spec.maintenance.windows[].schedule: the first field is minutes, 0 to 59, for example 30 or 0,30 or */15"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[1].split(',').all(f, f.matches('^([*]|([01]?[0-9]|2[0-3])(-([01]?[0-9]|2[0-3]))?)(/[1-9][0-9]?)?$'))",message="spec.maintenance.windows[].schedule: the second field is hours, 0 to 23"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[2].split(',').all(f, f.matches('^([*]|(0?[1-9]|[12][0-9]|3[01])(-(0?[1-9]|[12][0-9]|3[01]))?)(/[1-9][0-9]?)?$'))",message="spec.maintenance.windows[].schedule: the third field is days of the month, 1 to 31"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[3].split(',').all(f, f.matches('(?i)^([*]|(0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(-(0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))?)(/[1-9][0-9]?)?$'))",message="spec.maintenance.windows[].schedule: the fourth field is months, 1 to 12 or JAN to DEC"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[4].split(',').all(f, f.matches('(?i)^([*]|([0-6]|sun|mon|tue|wed|thu|fri|sat)(-([0-6]|sun|mon|tue|wed|thu|fri|sat))?)(/[1-9][0-9]?)?$'))",message="spec.maintenance.windows[].schedule: the fifth field is days of the week, 0 to 6 or SUN to SAT"
	Schedule string `json:"schedule"`

	// Duration is how long the window is open, for example 4h or 90m.
	// +required
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}[hms])+$') && duration(self) >= duration('1m')",message="spec.maintenance.windows[].duration must be at least 1m, in hours, minutes and seconds: 4h or 1h30m"
	Duration string `json:"duration"`

	// TimeZone is the place whose clocks the schedule goes by, as Europe/Berlin; UTC when empty. Where clocks are put
	// forward or back, a window in the hour that is not there does not open that day.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z]+([_/+-][A-Za-z0-9]+)*)?$')",message="spec.maintenance.windows[].timeZone must be a name of the time zone database, for example Europe/Berlin"
	TimeZone string `json:"timeZone,omitempty"`
}
