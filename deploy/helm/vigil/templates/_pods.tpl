{{/* What every pod of Vigil has: (dict "root" $ "values" <the component's values>). */}}
{{- define "vigil.podSpec" -}}
{{- $root := .root -}}
serviceAccountName: {{ include "vigil.serviceAccountName" $root }}
automountServiceAccountToken: false
# Kubernetes would else set variables such as API_PORT=tcp://… for services of such names.
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "vigil.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.security.runAsUser }}
  runAsGroup: {{ .Values.security.runAsGroup }}
  fsGroup: {{ .Values.security.fsGroup }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "vigil.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{/* A variable whose value is text: (list "NAME" value). */}}
{{- define "vigil.env" -}}
- name: {{ index . 0 }}
  value: {{ index . 1 | toString | quote }}
{{- end -}}

{{/* What every process of Vigil reads. HOME is where libraries keep what may be lost. */}}
{{- define "vigil.commonEnv" -}}
{{ include "vigil.env" (list "HOST" .Values.listenAddress) }}
{{ include "vigil.env" (list "LOG_LEVEL" .Values.logLevel) }}
{{ include "vigil.env" (list "DATA_DIR" "/var/lib/vigil") }}
{{ include "vigil.env" (list "HOME" "/tmp") }}
{{- end -}}

{{- define "vigil.databaseEnv" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      {{- include "vigil.databaseSecret" . | nindent 6 }}
{{- end -}}

{{- define "vigil.nodeNameEnv" -}}
- name: NODE_NAME
  valueFrom:
    fieldRef: { fieldPath: spec.nodeName }
{{- end -}}

{{/*
Live restarts a process that hangs; ready keeps requests away.
(dict "port" "http" "seconds" <for how long it may start> "started" <the path that says it has, ready unless given>)
*/}}
{{- define "vigil.probes" -}}
livenessProbe:
  httpGet: { path: /health/live, port: {{ .port }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /health/ready, port: {{ .port }} }
  periodSeconds: 5
  timeoutSeconds: 5
startupProbe:
  httpGet: { path: {{ default "/health/ready" .started }}, port: {{ .port }} }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div (add .seconds 4) 5 }}
{{- end -}}

{{/* A claim of a StatefulSet's pods: (dict "names" … "persistence" …). Only labels that never change: Kubernetes refuses others. */}}
{{- define "vigil.claim" -}}
- metadata:
    name: data
    labels:
      {{- include "vigil.selector" .names | nindent 6 }}
  spec:
    accessModes:
      {{- toYaml .persistence.accessModes | nindent 6 }}
    {{- with .persistence.storageClassName }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests: { storage: {{ .persistence.size }} }
{{- end -}}
