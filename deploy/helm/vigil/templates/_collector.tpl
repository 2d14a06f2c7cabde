{{/* The collector of nodes with GPUs (gpu true) or of the others: (dict "root" $ "gpu" true). */}}
{{- define "vigil.collectorDaemonSet" -}}
{{- $v := .root.Values.collector -}}
{{- $names := dict "root" .root "component" "collector" -}}
{{- $kind := ternary "gpu" "node" .gpu -}}
{{- $kernelLog := and .gpu $v.kernelLog.enabled -}}
{{- $placed := $v -}}
{{- if .gpu -}}
{{- $label := dict $v.gpu.nodeLabel.key $v.gpu.nodeLabel.value -}}
{{- $placed = merge (dict "nodeSelector" (merge $label $v.nodeSelector) "tolerations" (concat $v.tolerations $v.gpu.tolerations)) $v -}}
{{- else if $v.gpu.enabled -}}
{{- $placed = merge (dict "affinity" (fromYaml (include "vigil.offGpus" $v))) (omit $v "affinity") -}}
{{- end -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  {{- include "vigil.metadata" (merge (dict "name" (ternary "collector-gpu" "collector" .gpu)) $names) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "vigil.selector" $names | nindent 6 }}
      vigil/nodes: {{ $kind }}
  updateStrategy:
    rollingUpdate: { maxUnavailable: 10% }
  template:
    metadata:
      labels:
        {{- include "vigil.podLabels" $names | nindent 8 }}
        vigil/nodes: {{ $kind }}
      {{- with $v.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "vigil.podSpec" (dict "root" .root "values" $placed) | nindent 6 }}
      {{- if and .gpu $v.gpu.runtimeClassName }}
      runtimeClassName: {{ $v.gpu.runtimeClassName }}
      {{- end }}
      terminationGracePeriodSeconds: 30
      {{- include "vigil.podSecurity" .root | nindent 6 }}
      containers:
        - name: collector
          image: {{ include "vigil.image" $names }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          ports:
            - { name: otlp, containerPort: 4318 }
            - { name: metrics, containerPort: 9464 }
          env:
            {{- include "vigil.collectorEnv" .root | nindent 12 }}
            {{- include "vigil.nodeNameEnv" .root | nindent 12 }}
            {{- include "vigil.env" (list "OTLP_SPOOL_MAX" (include "vigil.spoolMax" $v.spool)) | nindent 12 }}
            {{- include "vigil.env" (list "GPU_SOURCE" (ternary $v.gpu.source "none" .gpu)) | nindent 12 }}
            {{- include "vigil.env" (list "KERNEL_LOG" (ternary "/dev/kmsg" "none" $kernelLog)) | nindent 12 }}
            {{- if .gpu }}
            # NVIDIA's runtime shows all GPUs of the node, and of its libraries only those that read them.
            {{- include "vigil.env" (list "NVIDIA_VISIBLE_DEVICES" "all") | nindent 12 }}
            {{- include "vigil.env" (list "NVIDIA_DRIVER_CAPABILITIES" "utility") | nindent 12 }}
            {{- end }}
            {{- if $v.hostMounts }}
            {{- include "vigil.env" (list "HOST_PROC" "/host/proc") | nindent 12 }}
            {{- include "vigil.env" (list "HOST_SYS" "/host/sys") | nindent 12 }}
            {{- end }}
            {{- if $v.modelVolume.hostPath }}
            {{- include "vigil.env" (list "MODEL_VOLUME" "/host/models") | nindent 12 }}
            {{- end }}
            {{- range $name, $value := $v.env }}
            {{- include "vigil.env" (list $name $value) | nindent 12 }}
            {{- end }}
          {{- with $v.envFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- if $kernelLog }}
          # /dev/kmsg is open to privileged containers alone. Root's own files stay read-only.
          securityContext:
            privileged: true
            runAsUser: 0
            runAsNonRoot: false
            readOnlyRootFilesystem: true
          {{- else }}
          {{- include "vigil.containerSecurity" .root | nindent 10 }}
          {{- end }}
          {{- include "vigil.probes" (dict "port" "metrics" "seconds" 60) | nindent 10 }}
          resources:
            {{- toYaml $v.resources | nindent 12 }}
          volumeMounts:
            - { name: data, mountPath: /var/lib/vigil }
            - { name: tmp, mountPath: /tmp }
            {{- if $v.hostMounts }}
            - { name: proc, mountPath: /host/proc, readOnly: true }
            - { name: sys, mountPath: /host/sys, readOnly: true }
            {{- end }}
            {{- if $kernelLog }}
            - { name: kmsg, mountPath: /dev/kmsg, readOnly: true }
            {{- end }}
            {{- if $v.modelVolume.hostPath }}
            - { name: models, mountPath: /host/models, readOnly: true }
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {}
        - name: data
          {{- if $v.spool.hostPath }}
          hostPath: { path: {{ $v.spool.hostPath }}, type: DirectoryOrCreate }
          {{- else }}
          emptyDir: { sizeLimit: {{ $v.spool.sizeLimit }} }
          {{- end }}
        {{- if $v.hostMounts }}
        - name: proc
          hostPath: { path: /proc, type: Directory }
        - name: sys
          hostPath: { path: /sys, type: Directory }
        {{- end }}
        {{- if $kernelLog }}
        - name: kmsg
          hostPath: { path: /dev/kmsg, type: CharDevice }
        {{- end }}
        {{- if $v.modelVolume.hostPath }}
        - name: models
          hostPath: { path: {{ $v.modelVolume.hostPath }}, type: Directory }
        {{- end }}
{{- end -}}

{{/* What the collectors of nodes and the one of engines read alike. */}}
{{- define "vigil.collectorEnv" -}}
{{ include "vigil.commonEnv" . }}
{{ include "vigil.databaseEnv" . }}
{{ include "vigil.env" (list "COLLECTOR_PORT" 9464) }}
{{ include "vigil.env" (list "OTLP_PORT" 4318) }}
{{ include "vigil.env" (list "RETENTION" .Values.collector.retention) }}
{{- end -}}

{{/* Requests may take half of the spool's volume: four kinds of readings take 128 MiB besides, and the rest is room. */}}
{{- define "vigil.spoolMax" -}}
{{- $size := regexFind "^[0-9]+" .sizeLimit | int -}}
{{- $mebibytes := ternary (mul $size 1024) $size (hasSuffix "Gi" .sizeLimit) -}}
{{- div $mebibytes 2 }}MiB
{{- end -}}

{{/* The affinity of values, and besides: not on nodes with GPUs. */}}
{{- define "vigil.offGpus" -}}
{{- $off := dict "key" .gpu.nodeLabel.key "operator" "NotIn" "values" (list .gpu.nodeLabel.value) -}}
{{- $affinity := deepCopy .affinity -}}
{{- $node := default dict $affinity.nodeAffinity -}}
{{- $required := default dict $node.requiredDuringSchedulingIgnoredDuringExecution -}}
{{- $terms := list -}}
{{- range default (list dict) $required.nodeSelectorTerms -}}
{{- $terms = append $terms (set . "matchExpressions" (append (default list .matchExpressions) $off)) -}}
{{- end -}}
{{- $node = set $node "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- toYaml (set $affinity "nodeAffinity" $node) -}}
{{- end -}}
