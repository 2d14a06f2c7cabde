/** Where the kernel's files are: `/proc` and `/sys`, or where a container has those of its host. */
export interface Roots {
  proc: string;
  sys: string;
  /**
   * Whether they are a host's, mounted into a container. What a container may use is then not asked for: its limits
   * are not the host's.
   */
  ofHost: boolean;
}

export interface Cpu {
  /** CPUs that are on line. */
  count: number;
  /** CPUs' worth of time that a container may take (`cpu.max`); `null` where there is no limit. */
  limit: number | null;
  /** Seconds since the start of the machine, all CPUs together. Waiting for a disk counts as idle. */
  busySeconds: number;
  idleSeconds: number;
  /** Processes that run or wait to run, mean of one minute. */
  load1: number | null;
}

/** Sizes in bytes. */
export interface Memory {
  /** A container's limit where it has one, else the machine's memory. */
  total: number;
  /** What could be given to a program now: what the kernel caches and can drop is counted. */
  available: number;
  /** The machine's own, whatever a container's limit. */
  machineTotal: number;
  machineAvailable: number;
  /** A container's limit (`memory.max`); `null` where there is none. */
  limit: number | null;
  swapTotal: number | null;
  swapUsed: number | null;
}

/** A network interface that stands for hardware (or a bond of it). Counters since the interface came up. */
export interface NetworkInterface {
  name: string;
  /** Bytes. */
  mtu: number | null;
  up: boolean;
  /** Bits a second; `null` where the driver does not tell. */
  speed: number | null;
  receiveBytes: number | null;
  transmitBytes: number | null;
  /** Packets with errors and packets dropped. */
  receiveErrors: number | null;
  transmitErrors: number | null;
}

/** How TCP connections of this machine adapt to the network: what new ones use, and what they may. */
export interface CongestionControl {
  current: string;
  available: string[];
}

/** A port of an RDMA device (`/sys/class/infiniband`). Counters since the driver was loaded. */
export interface RdmaPort {
  device: string;
  port: string;
  /** As the kernel says it, lower case: `active`, `down`, `init`. */
  state: string | null;
  /** `infiniband` or `ethernet` (RoCE), lower case. */
  linkLayer: string | null;
  /** Bits a second. */
  rate: number | null;
  receiveBytes: number | null;
  transmitBytes: number | null;
  errors: number | null;
}

/** What the block device of a volume has transferred since the start of the machine. */
export interface DiskCounters {
  /** When it was read: seconds of the machine's monotonic clock. */
  at: number;
  readBytes: number;
  writtenBytes: number;
}

/** The file system that holds a path. Sizes in bytes. */
export interface Volume {
  /** The path that was asked for, links resolved. */
  path: string;
  mountPoint: string | null;
  /** Type, such as `ext4`, `xfs`, `nfs4`, `overlay`. */
  fileSystem: string | null;
  /** What is mounted, as the kernel says it: `/dev/nvme0n1p1`, `filer:/models`. */
  source: string | null;
  /** Whether it lies on other machines. It then has no device. */
  network: boolean;
  /** The block device as `/proc/diskstats` names it, such as `nvme0n1p1`, `dm-0`; `null` where there is none. */
  device: string | null;
  /** The physical disks behind the device, such as `nvme0n1`. */
  disks: string[];
  /** Whether any of the disks says that it has platters (virtual disks often do); `null` where none tells. */
  rotational: boolean | null;
  total: number;
  used: number;
  /** What a program without special rights may still write. */
  available: number;
  /** used / (used + available), 0 to 1, as `df` has it; `null` for a file system that has no size. */
  ratio: number | null;
  counters: DiskCounters | null;
}

/** One look at the machine; what the kernel does not tell is `null` or empty. */
export interface Machine {
  /** When it was read: seconds of the machine's monotonic clock, which no change of the time of day moves. */
  at: number;
  /** Seconds since the start of the machine. */
  uptime: number | null;
  /** Release of the kernel. */
  kernel: string | null;
  cpu: Cpu | null;
  memory: Memory | null;
  congestionControl: CongestionControl | null;
  interfaces: NetworkInterface[];
  rdma: RdmaPort[];
}
