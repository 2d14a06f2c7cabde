/** Sets of values that the chart is rendered with, and what they name that is in the cluster already. */
export const CASES: Readonly<Record<string, { values: object; outside?: readonly string[] }>> = {
  'the presets': { values: {} },
  'everything on': {
    values: {
      image: { registry: 'registry.example.com', repository: 'observability/vigil', pullSecrets: ['pull'] },
      commonLabels: { team: 'inference' },
      runtime: {
        replicas: 3,
        model: '/models/r1.gguf',
        modelName: 'deepseek-r1',
        gpu: { enabled: true, count: 2, runtimeClassName: 'nvidia' },
        modelVolume: { existingClaim: 'models' },
        apiKeys: { enabled: true },
        env: { BATCH_MAX: '64' },
        envFrom: [{ secretRef: { name: 'hub' } }],
        nodeSelector: { 'nvidia.com/gpu.present': 'true' },
        podAnnotations: { 'example.com/a': 'b' },
      },
      engines: { targets: { 'vllm-0': 'http://vllm-0.vllm:8000/metrics' } },
      collector: {
        gpu: { enabled: true },
        kernelLog: { enabled: true },
        modelVolume: { hostPath: '/srv/models' },
        spool: { hostPath: '/var/lib/vigil' },
        env: { METRICS_COMPAT: 'dcgm' },
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'pool', operator: 'In', values: ['a'] }] }],
            },
          },
        },
      },
      api: {
        publicUrl: 'https://vigil.example.com',
        rulesEnable: ['GpuLost', 'conversation'],
        rules: { 'tokens-slow.yaml': 'alert: TokensSlow\n' },
        notify: { receivers: [{ name: 'team' }] },
        existingSecret: 'slack',
        env: { EVALUATION_INTERVAL: '30s' },
        ingress: { enabled: true, host: 'vigil.example.com', tlsSecret: 'vigil-tls', className: 'nginx' },
      },
      monitoring: {
        serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
        prometheusRule: { enabled: true, rules: true, recommended: true },
        dashboards: { enabled: true, languages: ['en', 'zh'], prometheusUid: 'prom', postgresUid: 'pg' },
      },
      networkPolicy: {
        enabled: true,
        clients: [{ namespaceSelector: { matchLabels: { team: 'chat' } } }],
        scrapers: [{ namespaceSelector: { matchLabels: { team: 'monitoring' } } }],
      },
    },
    outside: ['Secret pull', 'Secret slack', 'Secret hub', 'PersistentVolumeClaim models'],
  },
  'a database of your own': {
    values: {
      database: { existingSecret: 'database' },
      postgresql: { enabled: false },
      networkPolicy: { enabled: true },
    },
    outside: ['Secret database'],
  },
  'vLLM behind the runtime': {
    values: {
      runtime: { engine: 'upstream', upstreams: 'vllm=http://vllm:8000/v1', modelName: 'deepseek-r1' },
      engines: { targets: { vllm: 'http://vllm:8000/metrics' } },
      monitoring: { serviceMonitor: { enabled: true } },
    },
  },
  'vLLM without the runtime': {
    values: {
      runtime: { enabled: false },
      engines: { targets: { vllm: 'http://vllm:8000/metrics' } },
      postgresql: { persistence: { enabled: false } },
      monitoring: { dashboards: { enabled: true } },
    },
  },
  'a long name': {
    values: {
      fullnameOverride: 'a-name-of-thirty-eight-characters-long',
      collector: { gpu: { enabled: true } },
      monitoring: { dashboards: { enabled: true } },
    },
  },
  'everything off': {
    values: {
      runtime: { enabled: false },
      collector: { enabled: false },
      api: { enabled: false },
      postgresql: { enabled: false },
      serviceAccount: { create: false },
      monitoring: { serviceMonitor: { enabled: true } },
      networkPolicy: { enabled: true },
    },
  },
};

/** Values that are wrong, and what Helm must say of them. */
export const REFUSED: Readonly<Record<string, { values: object; saying: RegExp }>> = {
  'a name that is no value': {
    values: { api: { replica: 2 } },
    saying: /'\/api'.*'replica' not allowed|api: Additional property replica/,
  },
  "a label of the chart's own": {
    values: { commonLabels: { 'app.kubernetes.io/name': 'x' } },
    saying: /app\.kubernetes\.io\/name/,
  },
  'no replica': { values: { runtime: { replicas: 0 } }, saying: /runtime.replicas.*(minimum|greater than)/ },
  'a number where text belongs': {
    values: { runtime: { env: { BATCH_MAX: 64 } } },
    saying: /BATCH_MAX.*(string|Invalid type)/,
  },
  'a resource without a limit': { values: { api: { resources: { limits: null } } }, saying: /api.resources.*limits/ },
  'the tag latest': {
    values: { image: { tag: 'latest' } },
    saying: /image\.tag is latest, which names no version.*\./,
  },
  'no database': {
    values: { postgresql: { enabled: false } },
    saying: /There is no PostgreSQL: set database\.existingSecret.*\./,
  },
  'two databases': {
    values: { database: { existingSecret: 'db' } },
    saying: /two PostgreSQLs: .*postgresql\.enabled=false\./,
  },
  'an upstream engine without upstreams': {
    values: { runtime: { engine: 'upstream' } },
    saying: /runtime\.upstreams names no server/,
  },
  'upstreams that nobody asks': {
    values: { runtime: { upstreams: 'a=http://b' } },
    saying: /set runtime\.engine=upstream\./,
  },
  'GPUs that nothing would use': {
    values: { runtime: { engine: 'upstream', upstreams: 'a=http://b', gpu: { enabled: true } } },
    saying: /GPUs that nothing would use/,
  },
  'two model volumes': {
    values: { runtime: { modelVolume: { existingClaim: 'a', hostPath: '/b' } } },
    saying: /set one of the two\./,
  },
  'a model that is not mounted': {
    values: { runtime: { model: '/models/a.gguf' } },
    saying: /nothing is mounted there/,
  },
  'engines without a collector': {
    values: { collector: { enabled: false }, engines: { targets: { a: 'http://b' } } },
    saying: /nobody would read them\./,
  },
  'a kernel log without GPUs': { values: { collector: { kernelLog: { enabled: true } } }, saying: /both or neither\./ },
  'an ingress without a host': { values: { api: { ingress: { enabled: true } } }, saying: /set api\.ingress\.host\./ },
  'a variable that the chart sets': {
    values: { api: { env: { API_PORT: '1' } } },
    saying: /api\.env\.API_PORT is set by the chart/,
  },
  'a secret in plain sight': {
    values: { api: { env: { SLACK_WEBHOOK_URL: 'https://hooks.slack.com/x' } } },
    saying: /put it into a Secret, and name that in api\.existingSecret\./,
  },
  'a PrometheusRule without rules': {
    values: { monitoring: { prometheusRule: { enabled: true, recording: false, watcher: false } } },
    saying: /are all false: set one/,
  },
};
