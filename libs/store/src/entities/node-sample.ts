import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { InterfaceRow, RdmaPortRow } from '../rows.js';

/** One reading of one node; partitioned by day. */
@Entity({ name: 'node_sample', synchronize: false })
export class NodeSampleEntity {
  @PrimaryColumn({ type: 'timestamptz' }) time!: Date;
  @PrimaryColumn({ type: 'text' }) node!: string;
  @Column({ type: 'boolean' }) replay!: boolean;
  @Column({ type: 'float8', nullable: true }) uptime!: number | null;
  @Column({ name: 'cpu_count', type: 'float8', nullable: true }) cpuCount!: number | null;
  @Column({ name: 'cpu_ratio', type: 'float8', nullable: true }) cpuRatio!: number | null;
  @Column({ type: 'float8', nullable: true }) load1!: number | null;
  @Column({ name: 'memory_total', type: 'float8', nullable: true }) memoryTotal!: number | null;
  @Column({ name: 'memory_available', type: 'float8', nullable: true }) memoryAvailable!: number | null;
  @Column({ name: 'memory_ratio', type: 'float8', nullable: true }) memoryRatio!: number | null;
  @Column({ name: 'swap_used', type: 'float8', nullable: true }) swapUsed!: number | null;
  @Column({ name: 'volume_path', type: 'text', nullable: true }) volumePath!: string | null;
  @Column({ name: 'volume_total', type: 'float8', nullable: true }) volumeTotal!: number | null;
  @Column({ name: 'volume_used', type: 'float8', nullable: true }) volumeUsed!: number | null;
  @Column({ name: 'volume_ratio', type: 'float8', nullable: true }) volumeRatio!: number | null;
  @Column({ name: 'disk_read', type: 'float8', nullable: true }) diskRead!: number | null;
  @Column({ name: 'disk_write', type: 'float8', nullable: true }) diskWrite!: number | null;
  @Column({ name: 'network_receive', type: 'float8', nullable: true }) networkReceive!: number | null;
  @Column({ name: 'network_transmit', type: 'float8', nullable: true }) networkTransmit!: number | null;
  @Column({ name: 'network_errors', type: 'float8', nullable: true }) networkErrors!: number | null;
  @Column({ name: 'congestion_control', type: 'text', nullable: true }) congestionControl!: string | null;
  @Column({ type: 'jsonb' }) interfaces!: InterfaceRow[];
  @Column({ type: 'jsonb' }) rdma!: RdmaPortRow[];
  @Column({ name: 'gpu_state', type: 'text', nullable: true }) gpuState!: string | null;
  @Column({ name: 'gpu_count', type: 'float8', nullable: true }) gpuCount!: number | null;
  @Column({ name: 'gpu_read_at', type: 'timestamptz', nullable: true }) gpuReadAt!: Date | null;
}
