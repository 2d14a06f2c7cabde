import type { MigrationInterface, QueryRunner } from 'typeorm';

const GPU_SAMPLE = `
  mig_profile text, temperature_margin float8, energy float8, graphics_clock float8, video_clock float8,
  ecc_corrected float8, remapped_corrected float8, remapped_uncorrected float8,
  remap_pending boolean, remap_failed boolean, recovery_action text,
  pcie_tx float8, pcie_rx float8, pcie_replays float8, nvlink_tx float8, nvlink_rx float8, nvlink_errors float8,
  mig_mode text`;

const GPU_GAUGES = [
  'temperature_margin',
  'sm_clock',
  'memory_clock',
  'ecc_corrected',
  'ecc_uncorrected',
  'remapped_corrected',
  'remapped_uncorrected',
  'remap_pending',
  'remap_failed',
  'recovery_action',
  'throttle_hw_thermal',
  'throttle_hw_power_brake',
  'throttle_hw_slowdown',
  'throttle_sw_thermal',
  'throttle_sw_power_cap',
  'pcie_tx',
  'pcie_rx',
  'pcie_replays',
  'nvlink_errors',
];

const NODE_GAUGES = [
  'cpu_ratio',
  'load1',
  'memory_ratio',
  'memory_available',
  'volume_ratio',
  'disk_read',
  'disk_write',
  'network_receive',
  'network_transmit',
  'network_errors',
  'rdma_receive',
  'rdma_transmit',
  'gpu_count',
];

/** Without a default, so that a row of a minute names what it sums; with one where rows are there already. */
const sums = (gauges: readonly string[], preset = ''): string[] =>
  gauges.flatMap((g) => [`${g}_sum float8 NOT NULL${preset}`, `${g}_count bigint NOT NULL${preset}`]);

const add = (columns: readonly string[]): string => columns.map((column) => `ADD COLUMN ${column}`).join(', ');
const drop = (columns: readonly string[]): string =>
  columns.map((column) => `DROP COLUMN ${column.trim().split(' ')[0]}`).join(', ');

const GPU_MINUTE = [
  ...sums(GPU_GAUGES, ' DEFAULT 0'),
  'nvlink_tx_max float8',
  'nvlink_rx_max float8',
  'last_at timestamptz',
];

/**
 * The whole infrastructure layer: more of each GPU, nodes, events of GPUs. Columns are added without rewriting a table,
 * and a collector of the version before can go on writing.
 */
export class Infrastructure1700000100000 implements MigrationInterface {
  name = 'Infrastructure1700000100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE gpu_sample ${add(GPU_SAMPLE.split(','))}`);
    await runner.query(`ALTER TABLE gpu_minute ${add(GPU_MINUTE)}`);
    // The latest minute of each GPU, also of one that has been silent for hours, without reading those of the others.
    await runner.query('CREATE INDEX gpu_minute_by_gpu ON gpu_minute (node, gpu, replay, minute)');
    await runner.query(`
      CREATE TABLE node_sample (
        time timestamptz NOT NULL, node text NOT NULL, replay boolean NOT NULL,
        uptime float8, cpu_count float8, cpu_ratio float8, load1 float8,
        memory_total float8, memory_available float8, memory_ratio float8, swap_used float8,
        volume_path text, volume_total float8, volume_used float8, volume_ratio float8,
        disk_read float8, disk_write float8, network_receive float8, network_transmit float8, network_errors float8,
        congestion_control text, interfaces jsonb NOT NULL, rdma jsonb NOT NULL,
        gpu_state text, gpu_count float8, gpu_read_at timestamptz,
        PRIMARY KEY (time, node)
      ) PARTITION BY RANGE (time)`);
    await runner.query(`
      CREATE TABLE node_minute (
        minute timestamptz NOT NULL, node text NOT NULL,
        ${sums(NODE_GAUGES).join(', ')},
        gpu_count_max float8, gpu_count_min float8, gpu_read_at timestamptz, last_at timestamptz,
        PRIMARY KEY (minute, node)
      )`);
    await runner.query('CREATE INDEX node_minute_by_node ON node_minute (node, minute)');
    // The key is one of kind, code and GPU even where some are not known: an event that is told twice is stored once.
    await runner.query(`
      CREATE TABLE gpu_event (
        time timestamptz NOT NULL, node text NOT NULL, gpu text, uuid text, replay boolean NOT NULL,
        kind text NOT NULL CHECK (kind IN ('xid', 'lost', 'returned')),
        code int, class text NOT NULL, meaning text NOT NULL, source text NOT NULL, message text,
        key text GENERATED ALWAYS AS (
          kind || ' ' || coalesce(code::text, '') || ' ' || replay::text || ' ' || coalesce(gpu, '') || ' ' || coalesce(uuid, '')
        ) STORED,
        PRIMARY KEY (time, node, key)
      ) PARTITION BY RANGE (time)`);
    await runner.query(`
      CREATE TABLE gpu_event_minute (
        minute timestamptz NOT NULL, node text NOT NULL, gpu text NOT NULL, replay boolean NOT NULL,
        class text NOT NULL, code text NOT NULL, xids bigint NOT NULL,
        PRIMARY KEY (minute, node, gpu, replay, class, code)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE gpu_event_minute, gpu_event, node_minute, node_sample');
    await runner.query('DROP INDEX gpu_minute_by_gpu');
    await runner.query(`ALTER TABLE gpu_minute ${drop(GPU_MINUTE)}`);
    await runner.query(`ALTER TABLE gpu_sample ${drop(GPU_SAMPLE.split(','))}`);
  }
}
