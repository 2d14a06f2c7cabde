{{/* What values.schema.json can not say, since it concerns several values at once. Each is a sentence. */}}
{{- define "vigil.checks" -}}
{{- $v := .Values -}}
{{- if and (or $v.collector.enabled $v.api.enabled) (not $v.database.existingSecret) (not $v.postgresql.enabled) -}}
{{- fail "There is no PostgreSQL: set database.existingSecret to a Secret with its address, or postgresql.enabled=true." -}}
{{- end -}}
{{- if and $v.database.existingSecret $v.postgresql.enabled -}}
{{- fail "There are two PostgreSQLs: database.existingSecret names yours, so set postgresql.enabled=false." -}}
{{- end -}}
{{- if $v.runtime.enabled -}}
{{- if and (eq $v.runtime.engine "upstream") (not $v.runtime.upstreams) -}}
{{- fail "runtime.engine is upstream, but runtime.upstreams names no server: set it to name=URL, such as vllm=http://vllm:8000/v1." -}}
{{- end -}}
{{- if and (eq $v.runtime.engine "llama") $v.runtime.upstreams -}}
{{- fail "runtime.upstreams names servers, but runtime.engine is llama, which asks none: set runtime.engine=upstream." -}}
{{- end -}}
{{- if and (eq $v.runtime.engine "upstream") $v.runtime.gpu.enabled -}}
{{- fail "runtime.gpu.enabled asks for GPUs that nothing would use: with runtime.engine=upstream the servers behind it compute." -}}
{{- end -}}
{{- if and $v.runtime.modelVolume.existingClaim $v.runtime.modelVolume.hostPath -}}
{{- fail "runtime.modelVolume has an existingClaim and a hostPath: set one of the two." -}}
{{- end -}}
{{- if hasPrefix (printf "%s/" $v.runtime.modelVolume.mountPath) $v.runtime.model -}}
{{- if not (or $v.runtime.modelVolume.existingClaim $v.runtime.modelVolume.hostPath) -}}
{{- fail (printf "runtime.model is %s, but nothing is mounted there: set runtime.modelVolume.existingClaim or hostPath." $v.runtime.model) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (not $v.collector.enabled) $v.engines.targets -}}
{{- fail "engines.targets names engines, but collector.enabled=false: nobody would read them." -}}
{{- end -}}
{{- if and $v.collector.kernelLog.enabled (not $v.collector.gpu.enabled) -}}
{{- fail "collector.kernelLog.enabled follows XIDs of GPUs, but collector.gpu.enabled=false: switch on both or neither." -}}
{{- end -}}
{{- if and $v.api.rules $v.api.existingRulesConfigMap -}}
{{- fail "api.rules and api.existingRulesConfigMap are both set: set one of the two." -}}
{{- end -}}
{{- if and $v.api.notify $v.api.existingNotifySecret -}}
{{- fail "api.notify and api.existingNotifySecret are both set: set one of the two." -}}
{{- end -}}
{{- if and $v.api.ingress.enabled (not $v.api.ingress.host) -}}
{{- fail "api.ingress.enabled needs a host name: set api.ingress.host." -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]" (include "vigil.fullname" .)) -}}
{{- fail (printf "Services would be called %s-…, and Kubernetes takes no service whose name begins with a digit: set fullnameOverride." (include "vigil.fullname" .)) -}}
{{- end -}}
{{- include "vigil.checkTags" . -}}
{{- range $component, $own := dict
  "runtime" (list "HOST" "LOG_LEVEL" "DATA_DIR" "HOME" "RUNTIME_PORT" "ENGINE" "UPSTREAMS" "MODEL" "MODEL_NAME" "CONTEXT_SIZE" "API_KEYS" "LLAMA_GPU" "OTEL_EXPORTER_OTLP_ENDPOINT" "NODE_NAME")
  "collector" (list "HOST" "LOG_LEVEL" "DATA_DIR" "HOME" "COLLECTOR_PORT" "OTLP_PORT" "OTLP_SPOOL_MAX" "NODE_NAME" "DATABASE_URL" "RETENTION" "GPU_SOURCE" "KERNEL_LOG" "HOST_PROC" "HOST_SYS" "MODEL_VOLUME" "NODE_INTERVAL" "ENGINE_METRICS" "ENGINE_INTERVAL" "NVIDIA_VISIBLE_DEVICES" "NVIDIA_DRIVER_CAPABILITIES")
  "api" (list "HOST" "LOG_LEVEL" "DATA_DIR" "HOME" "API_PORT" "DATABASE_URL" "RULES_DIR" "TEAM_RULES_DIR" "RULES_ENABLE" "NOTIFY_FILE" "PUBLIC_URL")
-}}
{{- range $name, $value := (index $v $component).env -}}
{{- if has $name $own -}}
{{- fail (printf "%s.env.%s is set by the chart itself: use the value that values.yaml has for it." $component $name) -}}
{{- end -}}
{{- if regexMatch "(KEYS?|TOKEN|SECRET|PASSWORD)$|^(SLACK_WEBHOOK_URL|WEBHOOK_URL|HEARTBEAT_URL)$" $name -}}
{{- fail (printf "%s.env.%s would be readable by whoever may read pods: put it into a Secret, and name that in %s." $component $name (ternary "api.existingSecret" (printf "%s.envFrom" $component) (eq $component "api"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vigil.checkTags" -}}
{{- $v := .Values -}}
{{- range $where, $tag := dict "image" $v.image.tag "runtime.image" $v.runtime.image.tag "collector.image" $v.collector.image.tag "api.image" $v.api.image.tag "postgresql.image" $v.postgresql.image.tag -}}
{{- if eq (toString $tag) "latest" -}}
{{- fail (printf "%s.tag is latest, which names no version: what runs would change without an upgrade. Set the version." $where) -}}
{{- end -}}
{{- end -}}
{{- end -}}
