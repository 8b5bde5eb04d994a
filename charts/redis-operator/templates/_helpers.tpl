{{/* Name of everything in the release's namespace. */}}
{{- define "redis-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of what has no namespace: two releases of one name may live in two namespaces. */}}
{{- define "redis-operator.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "redis-operator.fullname" .) -}}
{{- end -}}

{{- define "redis-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "redis-operator.labels" -}}
{{ include "redis-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "redis-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "redis-operator.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is required when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* repository:tag of an image; the tag is the appVersion when it is empty. Call with (dict "image" … "root" $). */}}
{{- define "redis-operator.image" -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}

{{/*
What the operator may do in the namespaces of its RedisClusters. Secrets are neither listed nor
watched: it reads those it made or that spec.auth.secretName names, one by one.
*/}}
{{- define "redis-operator.rules" -}}
- apiGroups: [redisoperator.io]
  resources: [redisclusters]
  verbs: [get, list, watch]
- apiGroups: [redisoperator.io]
  resources: [redisclusters/status]
  verbs: [update, patch]
# The objects of a cluster carry an owner reference with blockOwnerDeletion. Where the admission plugin
# OwnerReferencesPermissionEnforcement is on (OpenShift), that needs this permission.
- apiGroups: [redisoperator.io]
  resources: [redisclusters/finalizers]
  verbs: [update]
# patch: a label that somebody took away is given back.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
# More memory reaches a running pod (Kubernetes >= 1.33).
- apiGroups: [""]
  resources: [pods/resize]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch]
# delete: a claim of another storage class than the spec's is made anew.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, update]
# delete: spec.disruption.podDisruptionBudget may be switched off.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# delete: of a cluster's history only the last ten are kept.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
