import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One reading of one GPU; partitioned by day. */
@Entity({ name: 'gpu_sample', synchronize: false })
export class GpuSampleEntity {
  @PrimaryColumn({ type: 'timestamptz' }) time!: Date;
  @PrimaryColumn({ type: 'text' }) node!: string;
  @PrimaryColumn({ type: 'text' }) gpu!: string;
  @Column({ type: 'text', nullable: true }) uuid!: string | null;
  @Column({ type: 'text', nullable: true }) name!: string | null;
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
  @Column({ type: 'float8', nullable: true }) power!: number | null;
  @Column({ name: 'power_limit', type: 'float8', nullable: true }) powerLimit!: number | null;
  @Column({ name: 'fan_speed', type: 'float8', nullable: true }) fanSpeed!: number | null;
  @Column({ name: 'sm_clock', type: 'float8', nullable: true }) smClock!: number | null;
  @Column({ name: 'memory_clock', type: 'float8', nullable: true }) memoryClock!: number | null;
  @Column({ name: 'throttle_reasons', type: 'jsonb' }) throttleReasons!: string[];
  @Column({ name: 'ecc_uncorrected', type: 'float8', nullable: true }) eccUncorrected!: number | null;
  @Column({ type: 'jsonb' }) processes!: { pid: number; name: string | null; memory: number | null }[];
}
