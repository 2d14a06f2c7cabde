/* A dcgm-exporter without a GPU, for the tests of this folder; nothing of it runs in the collector. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const UUID = (gpu: number): string => `GPU-0000000${gpu}-1111-2222-3333-444444444444`;

/** Fields of an H200 at work in a dcgm-exporter's units, by name. */
export const WORKING: Readonly<Record<string, number | string>> = {
  DCGM_FI_DEV_SM_CLOCK: 1485,
  DCGM_FI_DEV_MEM_CLOCK: 3201,
  DCGM_FI_DEV_MEMORY_TEMP: 46,
  DCGM_FI_DEV_GPU_TEMP: 58,
  DCGM_FI_DEV_POWER_USAGE: 690.81,
  DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: 5_000_500,
  DCGM_FI_DEV_PCIE_REPLAY_COUNTER: 3,
  DCGM_FI_DEV_GPU_UTIL: 57,
  DCGM_FI_DEV_MEM_COPY_UTIL: 23,
  DCGM_FI_DEV_XID_ERRORS: 0,
  DCGM_FI_DEV_FB_FREE: 46_776,
  DCGM_FI_DEV_FB_USED: 96_379,
  DCGM_FI_DEV_FB_RESERVED: 616,
  DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS: 2,
  DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS: 1,
  DCGM_FI_DEV_ROW_REMAP_FAILURE: 0,
};

/** The lines of one GPU. @param more further labels */
export function gpuLines(
  gpu: number,
  fields: Readonly<Record<string, number | string>> = WORKING,
  more: Readonly<Record<string, string>> = { Hostname: 'node-a' },
): string {
  const labels = Object.entries({
    gpu: String(gpu),
    UUID: UUID(gpu),
    device: `nvidia${gpu}`,
    modelName: 'NVIDIA H200',
    ...more,
  });
  const text = labels.map(([name, value]) => `${name}="${value}"`).join(',');
  return Object.entries(fields)
    .map(([name, value]) => `${name}{${text}} ${value}\n`)
    .join('');
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves on a free port; what it does can change between two requests. */
export class FakeDcgmExporter {
  requests: IncomingMessage[] = [];
  private handler: Handler = (_, response) => response.end(gpuLines(0));

  private constructor(private readonly server: Server) {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.requests.push(request);
      this.handler(request, response);
    });
  }

  static async start(): Promise<FakeDcgmExporter> {
    const server = createServer();
    const exporter = new FakeDcgmExporter(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return exporter;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  get url(): string {
    return `http://127.0.0.1:${this.port}/metrics`;
  }

  does(what: string | Handler): void {
    this.handler = typeof what === 'string' ? (_, response) => response.end(what) : what;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((done) => void this.server.close(() => done()));
  }
}
