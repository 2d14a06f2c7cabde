import { describe, expect, it } from 'vitest';
import { readSmiObject, readSmiXml } from './nvidia-smi-xml.js';
import { recording, withGpus } from './testing.js';
import { UNTOLD, type GpuSample } from './types.js';

const MIB = 2 ** 20;
const context = { time: new Date('2026-01-02T03:04:05Z'), source: 'nvidia-smi', replay: false };

function samples(xml: string): GpuSample[] {
  const result = readSmiXml(xml, context);
  if (!result.ok) throw new Error(result.reason);
  return result.samples;
}

/** What drivers 515 and 535 print in place of the recording's v13. */
function asV11(xml: string): string {
  return xml
    .replace('nvsmi_device_v13.dtd', 'nvsmi_device_v11.dtd')
    .replaceAll('clocks_event_reason', 'clocks_throttle_reason')
    .replaceAll('gpu_power_readings', 'power_readings')
    .replaceAll(
      /<average_power_draw>([^<]*)<\/average_power_draw>\s*<instant_power_draw>[^<]*<\/instant_power_draw>/g,
      '<power_draw>$1</power_draw>',
    )
    .replaceAll('current_power_limit', 'enforced_power_limit')
    .replaceAll(/\s*<sram_uncorrectable_secded>[^<]*<\/sram_uncorrectable_secded>/g, '')
    .replaceAll('sram_uncorrectable_parity', 'sram_uncorrectable');
}
const asV10 = (xml: string): string =>
  asV11(xml)
    .replace('nvsmi_device_v11.dtd', 'nvsmi_device_v10.dtd')
    .replace(
      /<volatile>[\s\S]*?<\/volatile>/,
      '<volatile><single_bit><total>0</total></single_bit><double_bit><total>0</total></double_bit></volatile>',
    )
    .replace(/\s*<reserved>[^<]*<\/reserved>/, '');
const asV12 = (xml: string): string =>
  xml
    .replace('nvsmi_device_v13.dtd', 'nvsmi_device_v12.dtd')
    .replaceAll(
      /<average_power_draw>([^<]*)<\/average_power_draw>\s*<instant_power_draw>[^<]*<\/instant_power_draw>/g,
      '<power_draw>$1</power_draw>',
    );

describe('readSmiXml', () => {
  it('reads the H200 under load (v13)', async () => {
    expect(samples(await recording('h200-load'))).toEqual([
      {
        ...UNTOLD,
        time: context.time,
        source: 'nvidia-smi',
        replay: false,
        gpu: '0',
        uuid: 'GPU-00000000-1111-2222-3333-444444444444',
        name: 'NVIDIA H200',
        driver: '580.159.04',
        memoryUsed: 96379 * MIB,
        memoryReserved: 616 * MIB,
        memoryTotal: 143771 * MIB,
        memoryRatio: 96379 / 143771,
        utilization: 1,
        memoryUtilization: 0.23,
        temperature: 58,
        memoryTemperature: 46,
        power: 690.81,
        powerLimit: 700,
        energy: null,
        fanSpeed: null,
        smClock: 1485e6,
        memoryClock: 3201e6,
        throttleReasons: ['sw_power_cap'],
        eccUncorrected: 0,
        pcieTx: 7_543_000,
        pcieRx: 14_536_000,
        migMode: 'disabled',
        processes: [{ pid: 412, name: 'python3', memory: 96370 * MIB, container: null, runtime: false }],
      } satisfies GpuSample,
    ]);
  });

  it('reads the idle H200: idle is no throttling, no process is an empty list', async () => {
    const [sample] = samples(await recording('h200-idle'));
    expect(sample).toMatchObject({ memoryUsed: 0, memoryRatio: 0, utilization: 0, throttleReasons: [], processes: [] });
  });

  it.each([
    ['v11', asV11],
    ['v12', asV12],
  ])('reads the same from schema %s', async (_, transform) => {
    const xml = await recording('h200-load');
    expect(transform(xml)).not.toBe(xml);
    expect(samples(transform(xml))).toEqual(samples(xml));
  });

  it('reads schema v10, which has no reserved memory', async () => {
    const xml = await recording('h200-load');
    expect(samples(asV10(xml))).toEqual(samples(xml).map((s) => ({ ...s, memoryReserved: null })));
  });

  it('sums the uncorrected errors of each schema', async () => {
    const xml = await recording('h200-load');
    const counted = (text: string): number | null => samples(text)[0]!.eccUncorrected;
    const v13 = xml
      .replace('<sram_uncorrectable_parity>0', '<sram_uncorrectable_parity>1')
      .replace('<sram_uncorrectable_secded>0', '<sram_uncorrectable_secded>2')
      .replace('<dram_uncorrectable>0', '<dram_uncorrectable>4');
    expect(counted(v13)).toBe(7);
    expect(counted(asV11(v13))).toBe(5);
    expect(counted(asV10(xml).replace('<double_bit><total>0', '<double_bit><total>3'))).toBe(3);
    expect(counted(xml.replace(/<ecc_errors>[\s\S]*<\/ecc_errors>/, '<ecc_errors>N/A</ecc_errors>'))).toBeNull();
  });

  it.each([1, 2, 8, 16])('reads %i GPUs, each with its index', async (count) => {
    const found = samples(withGpus(await recording('h200-load'), count));
    expect(found.map((s) => s.gpu)).toEqual(Array.from({ length: count }, (_, i) => String(i)));
    expect(found.every((s) => s.power === 690.81)).toBe(true);
  });

  it('reads several processes', async () => {
    const xml = (await recording('h200-load')).replace(
      '</process_info>',
      '</process_info><process_info><pid>7</pid><process_name>N/A</process_name><used_memory>N/A</used_memory></process_info>',
    );
    expect(samples(xml)[0]!.processes).toEqual([
      { pid: 412, name: 'python3', memory: 96370 * MIB, container: null, runtime: false },
      { pid: 7, name: null, memory: null, container: null, runtime: false },
    ]);
  });

  it.each([
    'N/A',
    '[N/A]',
    '[Not Supported]',
    '[Unknown Error]',
    'Requested functionality has been deprecated',
    '',
    '5 furlongs',
    'NaN %',
    '-1 MiB',
  ])('takes %j in a field for "not supported", never for 0', async (nothing) => {
    const xml = await recording('h200-load');
    const fields: [RegExp, (keyof GpuSample)[]][] = [
      [/(<gpu_util>)[^<]*/, ['utilization']],
      [/(<memory_util>)[^<]*/, ['memoryUtilization']],
      [/(<fb_memory_usage>\s*<total>)[^<]*/, ['memoryTotal', 'memoryRatio']],
      [/(<reserved>)[^<]*/, ['memoryReserved']],
      [/(616 MiB<\/reserved>\s*<used>)[^<]*/, ['memoryUsed', 'memoryRatio']],
      [/(<gpu_temp>)[^<]*/, ['temperature']],
      [/(<memory_temp>)[^<]*/, ['memoryTemperature']],
      [/(<mem_clock>)[^<]*/, ['memoryClock']],
      [/(<tx_util>)[^<]*/, ['pcieTx']],
      [/(<current_mig>)[^<]*/, ['migMode']],
    ];
    const good = samples(xml);
    for (const [pattern, names] of fields) {
      const absent = Object.fromEntries(names.map((name) => [name, null]));
      expect(samples(xml.replace(pattern, `$1${nothing}`))).toEqual([{ ...good[0], ...absent }]);
    }
  });

  it('takes the instant power where the mean is not given', async () => {
    const xml = (await recording('h200-load')).replace('690.81 W', 'N/A');
    expect(samples(xml)[0]!.power).toBe(663.33);
  });

  it('keeps MIG: the parent has memory, and no utilisation', async () => {
    const xml = (await recording('h200-load'))
      .replace('<current_mig>Disabled', '<current_mig>Enabled')
      .replaceAll(/(<(?:gpu|memory)_util>)[^<]*/g, '$1N/A');
    expect(samples(xml)[0]).toMatchObject({ migMode: 'enabled', utilization: null, memoryTotal: 143771 * MIB });
  });

  it('leaves a GPU out that gives no value, keeps the others and says so', async () => {
    const xml = withGpus(await recording('h200-load'), 2);
    const [before, after] = xml.split('</gpu>');
    const lost = after!.replaceAll(/>[^<>]*\d+(\.\d+)? (MiB|%|C|W|MHz)</g, '>GPU is lost<');
    const result = readSmiXml([before, lost, ...xml.split('</gpu>').slice(2)].join('</gpu>'), context);
    expect(result).toMatchObject({ ok: true, samples: [{ gpu: '0' }] });
    expect(result.ok && result.samples).toHaveLength(1);
    expect(result.ok && result.notes.join()).toMatch(/no value for GPU 1 \(GPU-00000001/);
    const alone = readSmiXml(
      `${before!.replaceAll(/>[^<>]*\d+(\.\d+)? (MiB|%|C|W|MHz)</g, '>GPU is lost<')}</gpu></nvidia_smi_log>`,
      context,
    );
    expect(alone).toMatchObject({ ok: false, kind: 'gpu-lost' });
  });

  it.each([
    ['', 'empty'],
    [' \n', 'empty'],
    ['NVIDIA-SMI has failed', 'malformed'],
    ['<nvidia_smi_log><gpu>', 'malformed'],
    ['<nvidia_smi_log/>', 'unexpected'],
    ['<html><body>no</body></html>', 'unexpected'],
    ['<nvidia_smi_log><attached_gpus>0</attached_gpus></nvidia_smi_log>', 'no-devices'],
    ['<nvidia_smi_log><gpu id="a"><uuid>GPU-1</uuid></gpu></nvidia_smi_log>', 'gpu-lost'],
  ])('gives %j a typed error: %s', (xml, kind) => {
    expect(readSmiXml(xml, context)).toMatchObject({ ok: false, kind, reason: expect.stringMatching(/nvidia-smi/) });
  });

  it('says of a document cut anywhere that it is not whole', async () => {
    const xml = await recording('h200-load');
    for (let length = 1; length < xml.trimEnd().length; length += 97)
      expect(readSmiXml(xml.slice(0, length), context)).toMatchObject({ ok: false, kind: 'malformed' });
  });
});

describe('readSmiObject', () => {
  it.each([
    null,
    undefined,
    0,
    'text',
    [],
    {},
    { nvidia_smi_log: [] },
    { nvidia_smi_log: { gpu: [null, 1, 'x', []] } },
  ])('answers %j with a typed error', (data) => {
    expect(readSmiObject(data, context)).toMatchObject({ ok: false });
  });
});
