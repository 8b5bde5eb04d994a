{{/*
The value of a redis.conf directive as text. Helm reads numbers as floats and would write 1e+08 for
100000000, and YAML reads yes and no as booleans.
*/}}
{{- define "redis-cluster.configValue" -}}
{{- if kindIs "bool" . -}}
{{- ternary "yes" "no" . -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}
