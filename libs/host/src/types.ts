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
  /** Errors and drops, both directions. */
  errors: number | null;
}

/** A port of an RDMA device (`/sys/class/infiniband`). Counters since the driver was loaded. */
export interface RdmaPort {
  device: string;
  port: string;
  /** As the kernel says it, lower case: `active`, `down`, `init`. */
  state: string | null;
  /** Bits a second. */
  rate: number | null;
  receiveBytes: number | null;
  transmitBytes: number | null;
  errors: number | null;
}
