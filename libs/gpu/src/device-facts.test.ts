import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDeviceFacts, readDeviceFacts } from './device-facts.js';
import { FakeNvidiaSmi, recording, runs, withGpus } from './testing.js';

let fake: FakeNvidiaSmi;
beforeAll(async () => {
  fake = await FakeNvidiaSmi.make();
});
afterAll(() => fake.remove());

const H200 = {
  name: 'NVIDIA H200',
  architecture: 'Hopper',
  persistence: true,
  ecc: true,
  eccPending: true,
  memoryClockMax: 3_201_000_000,
};

describe('parseDeviceFacts', () => {
  it('reads a recording', async () => {
    expect(parseDeviceFacts(await recording('h200-load'))).toEqual({
      driver: '580.159.04',
      cuda: '13.0',
      devices: [{ gpu: '0', ...H200 }],
    });
  });

  it('reads every one of eight GPUs', async () => {
    const { devices } = parseDeviceFacts(withGpus(await recording('h200-idle'), 8));
    expect(devices.map((d) => d.gpu)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(devices.every((d) => d.persistence === true)).toBe(true);
  });

  it('says null for what the driver does not tell', async () => {
    const xml = (await recording('h200-load'))
      .replace('<current_ecc>Enabled', '<current_ecc>N/A')
      .replace('<persistence_mode>Enabled', '<persistence_mode>[Unknown Error]')
      .replace(/<max_clocks>[\s\S]*<\/max_clocks>/, '')
      .replace('<cuda_version>13.0', '<cuda_version>Not Found')
      .replace('<product_architecture>Hopper</product_architecture>', '');
    const { cuda, devices } = parseDeviceFacts(xml);
    expect(cuda).toBeNull();
    expect(devices[0]).toMatchObject({ ecc: null, persistence: null, memoryClockMax: null, architecture: null });
  });

  it('answers whatever the document is', async () => {
    const xml = await recording('h200-load');
    for (let at = 0; at < xml.length; at += 97) {
      const cut = parseDeviceFacts(xml.slice(0, at));
      expect(cut.devices.length).toBeLessThanOrEqual(1);
      for (const device of cut.devices) expect(Number.isNaN(device.memoryClockMax)).toBe(false);
    }
  });
});

describe('readDeviceFacts', () => {
  const read = (timeoutSeconds = 20) => readDeviceFacts({ timeoutSeconds, env: fake.env() });

  it('asks nvidia-smi', async () => {
    await fake.does('cat load.xml');
    expect(await read()).toMatchObject({ state: 'up', driver: '580.159.04', cuda: '13.0', devices: [H200] });
  });

  it('counts a whole document although the tool warns', async () => {
    await fake.does('cat load.xml; echo noise >&2; exit 14');
    expect(await read()).toMatchObject({ state: 'up', cuda: '13.0' });
  });

  it.each<[string, string, RegExp]>([
    ['prints nothing', 'exit 0', /ended with code 0: it printed nothing/],
    [
      'fails',
      'echo "NVIDIA-SMI has failed because no driver runs"; exit 9',
      /ended with code 9: NVIDIA-SMI has failed/,
    ],
    ['is cut off', 'head -c 4000 load.xml', /ended with code 0: <\?xml/],
    ['prints without end', 'cat load.xml; yes', /printed more than 4 MiB/],
    ['names no GPU', 'echo "<nvidia_smi_log></nvidia_smi_log>"', /names no GPU/],
  ])('tells where the tool %s', async (_, behaviour, reason) => {
    await fake.does(behaviour);
    expect(await read()).toMatchObject({ state: 'failed', reason: expect.stringMatching(reason) });
  });

  it('kills a tool that hangs, and what it started', async () => {
    await fake.hangs();
    const reading = read(5);
    await expect.poll(() => fake.pids(), { timeout: 20_000 }).toHaveLength(2);
    const pids = (await fake.pids())!;
    expect(await reading).toMatchObject({ state: 'failed', reason: 'nvidia-smi did not answer within 5 s' });
    for (const pid of pids) await expect.poll(() => runs(pid), { timeout: 20_000 }).toBe(false);
  });

  it('says that there is none', async () => {
    const reading = await readDeviceFacts({ timeoutSeconds: 20, env: { PATH: '/nowhere' } });
    expect(reading).toEqual({ state: 'none', reason: 'nvidia-smi is not on the PATH' });
  });
});
