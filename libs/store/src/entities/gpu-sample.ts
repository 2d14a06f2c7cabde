import type { GpuProcessRow } from '../rows.js';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One reading of one GPU; partitioned by day. */
@Entity({ name: 'gpu_sample', synchronize: false })
export class GpuSampleEntity {
  @PrimaryColumn({ type: 'timestamptz' }) time!: Date;
  @PrimaryColumn({ type: 'text' }) node!: string;
  @PrimaryColumn({ type: 'text' }) gpu!: string;
  @Column({ type: 'text', nullable: true }) uuid!: string | null;
  @Column({ type: 'text', nullable: true }) name!: string | null;
  @Column({ name: 'mig_profile', type: 'text', nullable: true }) migProfile!: string | null;
  @Column({ type: 'text', nullable: true }) driver!: string | null;
  @Column({ type: 'text' }) source!: string;
  @Column({ type: 'boolean' }) replay!: boolean;
  @Column({ name: 'memory_used', type: 'float8', nullable: true }) memoryUsed!: number | null;
  @Column({ name: 'memory_reserved', type: 'float8', nullable: true }) memoryReserved!: number | null;
  @Column({ name: 'memory_total', type: 'float8', nullable: true }) memoryTotal!: number | null;
  @Column({ type: 'float8', nullable: true }) utilization!: number | null;
  @Column({ name: 'memory_utilization', type: 'float8', nullable: true }) memoryUtilization!: number | null;
  @Column({ type: 'float8', nullable: true }) temperature!: number | null;
  @Column({ name: 'memory_temperature', type: 'float8', nullable: true }) memoryTemperature!: number | null;
  @Column({ name: 'temperature_margin', type: 'float8', nullable: true }) temperatureMargin!: number | null;
  @Column({ type: 'float8', nullable: true }) power!: number | null;
  @Column({ name: 'power_limit', type: 'float8', nullable: true }) powerLimit!: number | null;
  @Column({ type: 'float8', nullable: true }) energy!: number | null;
  @Column({ name: 'fan_speed', type: 'float8', nullable: true }) fanSpeed!: number | null;
  @Column({ name: 'sm_clock', type: 'float8', nullable: true }) smClock!: number | null;
  @Column({ name: 'memory_clock', type: 'float8', nullable: true }) memoryClock!: number | null;
  @Column({ name: 'graphics_clock', type: 'float8', nullable: true }) graphicsClock!: number | null;
  @Column({ name: 'video_clock', type: 'float8', nullable: true }) videoClock!: number | null;
  @Column({ name: 'throttle_reasons', type: 'jsonb' }) throttleReasons!: string[];
  @Column({ name: 'ecc_corrected', type: 'float8', nullable: true }) eccCorrected!: number | null;
  @Column({ name: 'ecc_uncorrected', type: 'float8', nullable: true }) eccUncorrected!: number | null;
  @Column({ name: 'remapped_corrected', type: 'float8', nullable: true }) remappedCorrected!: number | null;
  @Column({ name: 'remapped_uncorrected', type: 'float8', nullable: true }) remappedUncorrected!: number | null;
  @Column({ name: 'remap_pending', type: 'boolean', nullable: true }) remapPending!: boolean | null;
  @Column({ name: 'remap_failed', type: 'boolean', nullable: true }) remapFailed!: boolean | null;
  @Column({ name: 'recovery_action', type: 'text', nullable: true }) recoveryAction!: string | null;
  @Column({ name: 'pcie_tx', type: 'float8', nullable: true }) pcieTx!: number | null;
  @Column({ name: 'pcie_rx', type: 'float8', nullable: true }) pcieRx!: number | null;
  @Column({ name: 'pcie_replays', type: 'float8', nullable: true }) pcieReplays!: number | null;
  @Column({ name: 'nvlink_tx', type: 'float8', nullable: true }) nvlinkTx!: number | null;
  @Column({ name: 'nvlink_rx', type: 'float8', nullable: true }) nvlinkRx!: number | null;
  @Column({ name: 'nvlink_errors', type: 'float8', nullable: true }) nvlinkErrors!: number | null;
  @Column({ name: 'mig_mode', type: 'text', nullable: true }) migMode!: string | null;
  @Column({ type: 'jsonb' }) processes!: GpuProcessRow[];
}
