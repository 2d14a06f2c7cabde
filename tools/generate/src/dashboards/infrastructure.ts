import { SIGNALS, type Label, type Signal } from '@vigil/signals';
import { frame, type DashboardFile } from './frame.js';
import { GPU, Kit, LONG } from './kit.js';
import { COLOURS, plain, type Limits } from './meaning.js';
import { mapped, promTable, sqlTable, stat, states, type Placed } from './panels.js';
import { signalQuery, where } from './queries.js';
import type { Language } from './words.js';

const FILTERS: readonly Label[] = ['node', 'gpu'];

/** Everything that is known of GPUs and nodes: every signal of that layer once. */
export function infrastructure(language: Language, limits: Limits): DashboardFile {
  const kit = new Kit(language, limits, FILTERS);
  const all = SIGNALS.filter(({ layer }) => layer === 'infrastructure');
  const pick = (test: (signal: Signal) => boolean) => all.filter(test).map(({ id }) => id);
  const size = { w: 6, h: 7 };
  const isPresence = ({ compute }: Signal) =>
    compute.kind === 'age' || compute.kind === 'missing' || ('of' in compute && compute.of === 'gpu_count');
  const isOf = (pattern: RegExp) => (signal: Signal) => pattern.test(signal.id) && !isPresence(signal);
  const HEALTH = /^gpu\.(recovery|ecc|remap)\./;
  const THROTTLE = /^gpu\.throttle\./;
  const LINKS = /^gpu\.(pcie|nvlink)\./;
  const XID = /^gpu\.xid\./;
  const isLoad = (s: Signal) =>
    isOf(/^gpu\./)(s) && ![HEALTH, THROTTLE, LINKS, XID].some((pattern) => pattern.test(s.id));
  return frame(language, {
    uid: 'vigil-infrastructure',
    title: ['Infrastructure', '基础设施'],
    description: ['Every GPU and node of self-hosted DeepSeek-R1.', '自托管 DeepSeek-R1 的每个 GPU 与节点。'],
    filters: FILTERS,
    sql: true,
    rows: [
      { panels: figures(kit) },
      { title: ['GPU load', 'GPU 负载'], panels: kit.charts(pick(isLoad), GPU, size) },
      {
        title: ['GPU health', 'GPU 健康'],
        panels: [
          kit.signalChart('gpu.xid.count', ['node', 'gpu', 'class', 'code', 'replay'], size),
          ...pick(isOf(HEALTH)).map((id) =>
            kit.signalChart(id, GPU, size, id === 'gpu.recovery.action' ? ACTIONS : {}),
          ),
          events(kit),
        ],
      },
      { title: ['GPU slowdown', 'GPU 降频'], panels: kit.charts(pick(isOf(THROTTLE)), GPU, { w: 8, h: 6 }) },
      { title: ['Node', '节点'], panels: kit.charts(pick(isOf(/^node\./)), ['node'], size) },
      { title: ['What is there', '在线情况'], panels: presence(kit, all.filter(isPresence)) },
      { title: ['GPU links', 'GPU 互连'], folded: true, panels: kit.charts(pick(isOf(LINKS)), GPU, { w: 8, h: 6 }) },
      {
        title: LONG,
        folded: true,
        panels: [
          ...['gpu.memory.ratio', 'gpu.utilization', 'gpu.temperature', 'gpu.power'].map((id) =>
            kit.longChart(id, GPU, size),
          ),
          ...['node.cpu.ratio', 'node.memory.ratio', 'node.volume.ratio'].map((id) =>
            kit.longChart(id, ['node'], { w: 8, h: 7 }),
          ),
        ],
      },
    ],
  });
}

/** Recovery actions by their numbers, as the signal's description lists them. */
const ACTIONS = {
  mappings: mapped(
    ['0', 'none', COLOURS.good],
    ['1', 'reset the GPU', COLOURS.bad],
    ['2', 'reboot the node', COLOURS.bad],
    ['3', 'drain P2P', COLOURS.bad],
    ['4', 'drain, reset', COLOURS.bad],
  ),
};

function figures(kit: Kit): Placed[] {
  const size = { w: 4, h: 4 };
  const count = (title: string, description: string, expr: string) =>
    stat({ title, description, unit: 'none', queries: [{ expr, legend: title }], ...size });
  const filter = where('node', 'gpu');
  return [
    count(kit.say('Nodes', '节点'), 'Nodes whose latest reading was good.', `sum(vigil_node_up{${where('node')}})`),
    count(
      kit.say('GPUs', 'GPU'),
      'GPUs that the latest reading named, MIG instances not counted.',
      `sum(vigil_gpu_device_up{${filter}})`,
    ),
    kit.signalStat('gpu.missing', size),
    kit.signalStat('gpu.xid.count', size, {
      title: kit.say('Critical XIDs, 1 h', '严重 XID（1 小时）'),
      description: 'Errors of the last hour that mean a faulty device or link, as the driver reported them.',
      unit: 'none',
      decimals: 0,
      queries: [
        signalQuery(kit.signal('gpu.xid.count'), {
          filters: FILTERS,
          window: '1h',
          only: { class: 'critical' },
          legend: 'XIDs',
        }),
      ],
      steps: [...plain(COLOURS.good), { value: 1, color: COLOURS.bad }],
    }),
    kit.signalStat('gpu.memory.ratio', size, {
      title: kit.say('Fullest GPU', '显存最满的 GPU'),
      decimals: 0,
      queries: [{ expr: `max(hw_gpu_memory_utilization_ratio{${filter}})`, legend: 'fullest' }],
    }),
    stat({
      title: kit.say('Power of all GPUs', 'GPU 总功耗'),
      description: 'Power that all chosen GPUs draw together.',
      unit: 'watt',
      queries: [{ expr: `sum(hw_power_watts{${filter}})`, legend: 'power' }],
      ...size,
    }),
  ];
}

function events(kit: Kit): Placed {
  return sqlTable({
    title: kit.say('GPU events', 'GPU 事件'),
    description: 'XIDs with their meaning, lost and returned GPUs, from PostgreSQL, the latest first.',
    unit: 'none',
    columns: [
      { name: 'time', title: kit.say('Time', '时间'), unit: 'dateTimeAsIso', width: 170 },
      { name: 'node', title: kit.say('Node', '节点'), width: 130 },
      { name: 'gpu', title: 'GPU', width: 60 },
      { name: 'event', title: kit.say('Event', '事件'), width: 90 },
      {
        name: 'class',
        title: kit.say('Class', '级别'),
        width: 90,
        mappings: mapped(['critical', 'critical', COLOURS.bad], ['warning', 'warning', COLOURS.warning]),
      },
      { name: 'meaning', title: kit.say('Meaning', '含义') },
    ],
    sql: `
      SELECT time, node, gpu, CASE WHEN kind = 'xid' THEN 'XID ' || code ELSE kind END AS event, class, meaning
      FROM gpu_event
      WHERE $__timeFilter(time) AND node ~ '^(\${node:regex})$' AND coalesce(gpu, '') ~ '^(\${gpu:regex})$'
      ORDER BY time DESC
      LIMIT 200`,
    w: 24,
    h: 7,
  });
}

function presence(kit: Kit, signals: readonly Signal[]): Placed[] {
  const size = { w: 8, h: 6 };
  return [
    ...signals.map(({ id, labels }) => kit.signalChart(id, labels.includes('gpu') ? GPU : ['node'], size)),
    states({
      title: kit.say('GPUs seen', 'GPU 在线'),
      description: 'Whether each GPU was among those of the latest reading.',
      unit: 'none',
      queries: [
        { expr: `max by (node, gpu) (vigil_gpu_device_up{${where('node', 'gpu')}})`, legend: '{{node}} GPU {{gpu}}' },
      ],
      mappings: mapped(['1', kit.say('seen', '在线'), COLOURS.good], ['0', kit.say('lost', '丢失'), COLOURS.bad]),
      ...size,
    }),
    promTable({
      title: kit.say('Devices', '设备'),
      description: 'Which GPU each number is.',
      unit: 'none',
      columns: [
        { name: 'node', title: kit.say('Node', '节点') },
        { name: 'gpu', title: 'GPU', width: 80 },
        { name: 'name', title: kit.say('Device', '型号') },
        { name: 'driver', title: kit.say('Driver', '驱动'), width: 130 },
        { name: 'mig_profile', title: 'MIG', width: 100 },
        { name: 'replay', title: kit.say('Replay', '回放'), width: 90 },
        { name: 'uuid', title: 'UUID' },
      ],
      query: { expr: `vigil_gpu_info{${where('node', 'gpu')}}`, legend: '' },
      w: 24,
      h: 6,
    }),
  ];
}
