{{- define "vigil.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 38 | trimSuffix "-" -}}
{{- end -}}

{{/*
Cut at 38 characters: with the longest suffix (-collector-gpu), and the hash that Kubernetes appends in labels, it fits into 63.
A release may have dots in its name, a service may not.
*/}}
{{- define "vigil.fullname" -}}
{{- $name := include "vigil.name" . -}}
{{- $whole := printf "%s-%s" .Release.Name $name -}}
{{- if contains $name .Release.Name -}}{{- $whole = .Release.Name -}}{{- end -}}
{{- default $whole .Values.fullnameOverride | replace "." "-" | trunc 38 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects a component's pods. Called with (dict "root" $ "component" "api"). It never changes over upgrades. */}}
{{- define "vigil.selector" -}}
app.kubernetes.io/name: {{ include "vigil.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "vigil.labels" -}}
{{ include "vigil.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: vigil
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Without versions: pods are not to be replaced because the chart's own changed. */}}
{{- define "vigil.podLabels" -}}
{{ include "vigil.selector" . }}
app.kubernetes.io/part-of: vigil
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* "metadata" of an object: (dict "root" $ "component" "api" "name" "api"), and "annotations" where it has some. */}}
{{- define "vigil.metadata" -}}
name: {{ include "vigil.fullname" .root }}-{{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "vigil.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "vigil.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "vigil.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Whole name of an image of Vigil: (dict "root" $ "component" "api" "suffix" ""). */}}
{{- define "vigil.image" -}}
{{- $own := (index .root.Values .component).image -}}
{{- $common := .root.Values.image -}}
{{- $name := printf "%s-%s" $common.repository .component -}}
{{- if $common.registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" $common.registry) $name -}}{{- end -}}
{{- $name = default $name $own.repository -}}
{{- if $own.digest -}}
{{- printf "%s@%s" $name $own.digest -}}
{{- else -}}
{{- printf "%s:%s%s" $name (coalesce $own.tag $common.tag .root.Chart.AppVersion) (default "" .suffix) -}}
{{- end -}}
{{- end -}}

{{/* Secret and key of PostgreSQL's address. */}}
{{- define "vigil.databaseSecret" -}}
{{- if .Values.database.existingSecret -}}
name: {{ .Values.database.existingSecret }}
key: {{ .Values.database.existingSecretKey }}
{{- else -}}
name: {{ default (printf "%s-postgresql" (include "vigil.fullname" .)) .Values.postgresql.existingSecret }}
key: url
{{- end -}}
{{- end -}}

{{/* Whether one pod reads engines' metrics. */}}
{{- define "vigil.readsEngines" -}}
{{- if and .Values.collector.enabled (or .Values.runtime.enabled .Values.engines.targets) -}}true{{- end -}}
{{- end -}}

{{/* ENGINE_METRICS: the runtime's pods, each by its own name, and the engines that values name. */}}
{{- define "vigil.engineMetrics" -}}
{{- $fullname := include "vigil.fullname" . -}}
{{- $entries := list -}}
{{- if .Values.runtime.enabled -}}
{{- range $i := until (int .Values.runtime.replicas) -}}
{{- $entries = append $entries (printf "runtime-%d=http://%s-runtime-%d.%s-runtime-pods:8000/metrics" $i $fullname $i $fullname) -}}
{{- end -}}
{{- end -}}
{{- range $name, $url := .Values.engines.targets -}}
{{- $entries = append $entries (printf "%s=%s" $name $url) -}}
{{- end -}}
{{- join " " $entries -}}
{{- end -}}
