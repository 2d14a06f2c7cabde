import { describe, expect, it } from 'vitest';
import { readSmiObject, readSmiXml } from './nvidia-smi-xml.js';
import { asV10, asV11, asV12, withMig } from './testing-smi.js';
import { recording, withGpus } from './testing.js';
import { THROTTLE_REASONS, UNTOLD, type GpuSample } from './types.js';

const MIB = 2 ** 20;
const context = { time: new Date('2026-01-02T03:04:05Z'), source: 'nvidia-smi', replay: false };

function samples(xml: string): GpuSample[] {
  const result = readSmiXml(xml, context);
  if (!result.ok) throw new Error(result.reason);
  return result.samples;
}

describe('readSmiXml', () => {
  it.each([
    ['h100-idle', { utilization: 0, temperatureMargin: 50, throttleReasons: [], smClock: 345e6, processes: [] }],
    ['h100-load', { utilization: 1, memoryTemperature: 54, throttleReasons: ['sw_power_cap'], smClock: 1410e6 }],
  ] as const)('reads an H100 as NVML on the same machine did: %s', async (name, expected) => {
    expect(samples(await recording(name))).toMatchObject([
      {
        name: 'NVIDIA H100 80GB HBM3',
        memoryReserved: 503316480,
        memoryTotal: 85520809984,
        powerLimit: 700,
        memoryClock: 2619e6,
        recoveryAction: 'none',
        eccUncorrected: 0,
        ...expected,
      },
    ]);
  });

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
        temperatureMargin: 24,
        power: 690.81,
        powerLimit: 700,
        energy: null,
        fanSpeed: null,
        smClock: 1485e6,
        memoryClock: 3201e6,
        graphicsClock: 1485e6,
        videoClock: 1515e6,
        throttleReasons: ['sw_power_cap'],
        eccCorrected: 0,
        eccUncorrected: 0,
        remappedCorrected: 0,
        remappedUncorrected: 0,
        remapPending: false,
        remapFailed: false,
        recoveryAction: 'none',
        pcieTx: 7_543_000,
        pcieRx: 14_536_000,
        pcieReplays: 0,
        migMode: 'disabled',
        processes: [{ pid: 412, name: 'python3', memory: 96370 * MIB, container: null, runtime: false }],
      } satisfies GpuSample,
    ]);
  });

  it('reads the idle H200: idle is no throttling, no process is an empty list', async () => {
    const [sample] = samples(await recording('h200-idle'));
    expect(sample).toMatchObject({ memoryUsed: 0, memoryRatio: 0, utilization: 0, throttleReasons: [], processes: [] });
  });

  it('reads the same from schema v12', async () => {
    const xml = await recording('h200-load');
    expect(asV12(xml)).not.toBe(xml);
    expect(samples(asV12(xml))).toEqual(samples(xml));
  });

  it('reads schema v11, which has no recovery action', async () => {
    const xml = await recording('h200-load');
    expect(samples(asV11(xml))).toEqual(samples(xml).map((s) => ({ ...s, recoveryAction: null })));
  });

  it('reads schema v10, which has no reserved memory either', async () => {
    const xml = await recording('h200-load');
    const older = { memoryReserved: null, recoveryAction: null };
    expect(samples(asV10(xml))).toEqual(samples(xml).map((s) => ({ ...s, ...older })));
  });

  it('sums the uncorrected errors of each schema', async () => {
    const xml = await recording('h200-load');
    const counted = (text: string): number | null => samples(text)[0]!.eccUncorrected;
    const v13 = xml
      .replace('<sram_uncorrectable_parity>0', '<sram_uncorrectable_parity>1')
      .replace('<sram_uncorrectable_secded>0', '<sram_uncorrectable_secded>2')
      .replace('<dram_uncorrectable>0', '<dram_uncorrectable>4');
    expect(counted(v13)).toBe(7);
    expect(counted(asV12(v13))).toBe(5);
    expect(counted(asV11(v13))).toBe(5);
    expect(counted(asV10(xml).replace(/(<double_bit>.*<total>)0/, '$13'))).toBe(3);
    expect(counted(xml.replace(/<ecc_errors>[\s\S]*<\/ecc_errors>/, '<ecc_errors>N/A</ecc_errors>'))).toBeNull();
  });

  it('sums the corrected errors of each schema', async () => {
    const xml = await recording('h200-load');
    const counted = (text: string): number | null => samples(text)[0]!.eccCorrected;
    const v13 = xml
      .replace('<sram_correctable>0', '<sram_correctable>1')
      .replace('<dram_correctable>0', '<dram_correctable>4');
    expect(counted(v13)).toBe(5);
    expect(counted(asV10(xml).replace('</device_memory><total>0', '</device_memory><total>3'))).toBe(3);
  });

  it('reads remapped rows, a pending and a failed remapping, and replays of PCIe', async () => {
    const xml = (await recording('h200-load'))
      .replace('<remapped_row_corr>0', '<remapped_row_corr>2')
      .replace('<remapped_row_unc>0', '<remapped_row_unc>3')
      .replace('<remapped_row_pending>No', '<remapped_row_pending>Yes')
      .replace('<remapped_row_failure>No', '<remapped_row_failure>1')
      .replace('<replay_counter>0', '<replay_counter>17');
    expect(samples(xml)[0]).toMatchObject({
      remappedCorrected: 2,
      remappedUncorrected: 3,
      remapPending: true,
      remapFailed: true,
      pcieReplays: 17,
    });
    const none = xml.replace(/<remapped_rows>[\s\S]*<\/remapped_rows>/, '<remapped_rows>N/A</remapped_rows>');
    expect(samples(none)[0]).toMatchObject({ remappedCorrected: null, remapPending: null, remapFailed: null });
  });

  it.each([
    ['None', 'none'],
    ['Reset', 'gpu_reset'],
    ['GPU Reset Required', 'gpu_reset'],
    ['Reboot', 'node_reboot'],
    ['Node Reboot Required', 'node_reboot'],
    ['Drain P2P', 'drain_p2p'],
    ['Drain and Reset', 'drain_and_reset'],
    ['Unknown Error', null],
    ['N/A', null],
  ])('reads the recovery action %j', async (said, action) => {
    const xml = (await recording('h200-load')).replace(/(<gpu_recovery_action>)[^<]*/, `$1${said}`);
    expect(samples(xml)[0]!.recoveryAction).toBe(action);
  });

  it.each([
    ['Yes', 'No', 'gpu_reset'],
    ['No', 'Yes', 'drain_and_reset'],
    ['Yes', 'Yes', 'gpu_reset'],
    ['N/A', 'No', null],
  ])('reads the flags that came before the recovery action: %s, %s', async (reset, drain, action) => {
    const xml = asV12(await recording('h200-load'))
      .replace(/(<reset_required>)[^<]*/, `$1${reset}`)
      .replace(/(<drain_and_reset_recommended>)[^<]*/, `$1${drain}`);
    expect(samples(xml)[0]!.recoveryAction).toBe(action);
  });

  it('takes the nearest threshold for the margin where none is told, and one past it', async () => {
    const margin = (xml: string): number | null => samples(xml)[0]!.temperatureMargin;
    const v11 = asV11(await recording('h200-load'));
    expect(margin(v11)).toBe(24);
    expect(margin(v11.replace('<gpu_temp_max_gpu_threshold>82 C', '<gpu_temp_max_gpu_threshold>N/A'))).toBe(29);
    expect(margin(v11.replace('<gpu_temp>58 C', '<gpu_temp>84 C'))).toBe(-2);
    expect(margin(v11.replace('<gpu_temp>58 C', '<gpu_temp>N/A'))).toBeNull();
  });

  it('knows active reasons from reasons that are not told', async () => {
    const xml = await recording('h200-load');
    const reasons = (text: string): string[] | null => samples(text)[0]!.throttleReasons;
    expect(reasons(xml.replaceAll('>Active<', '>Not Active<'))).toEqual([]);
    expect(reasons(xml.replaceAll(/>(Not )?Active</g, '>N/A<'))).toBeNull();
    const all = reasons(xml.replaceAll('>Not Active<', '>Active<'));
    expect(new Set(all)).toEqual(new Set(THROTTLE_REASONS));
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

  it('reads each MIG instance beside its device, with its memory and its processes', async () => {
    const [device, ...instances] = samples(withMig(await recording('h200-load'), { 3: 8192, 11: 0 }));
    expect(device).toMatchObject({
      gpu: '0',
      migMode: 'enabled',
      utilization: null,
      memoryTotal: 143771 * MIB,
      temperature: 58,
      processes: [],
    });
    expect(instances).toMatchObject([
      { gpu: '0/3', memoryUsed: 8192 * MIB, memoryTotal: 16384 * MIB, memoryRatio: 0.5, processes: [{ pid: 412 }] },
      { gpu: '0/11', memoryUsed: 0, memoryRatio: 0, processes: [] },
    ]);
    for (const instance of instances)
      expect(instance).toMatchObject({
        uuid: null,
        name: 'NVIDIA H200',
        driver: '580.159.04',
        migMode: 'enabled',
        migProfile: null,
        temperature: null,
        power: null,
        smClock: null,
        throttleReasons: null,
        eccUncorrected: 0,
      });
  });

  it('reads compute instances of one GPU instance once, and none without an id', async () => {
    const xml = withMig(await recording('h200-load'), { 3: 8192, 4: 100, 5: 200 });
    const gpus = (text: string): string[] => samples(text).map((s) => s.gpu);
    expect(gpus(xml)).toEqual(['0', '0/3', '0/4', '0/5']);
    expect(gpus(xml.replace('<gpu_instance_id>4<', '<gpu_instance_id>3<'))).toEqual(['0', '0/3', '0/5']);
    expect(gpus(xml.replace('<gpu_instance_id>4<', '<gpu_instance_id>N/A<'))).toEqual(['0', '0/3', '0/5']);
  });

  it('leaves a process whose instance is not told with its device', async () => {
    const xml = withMig(await recording('h200-load'), { 3: 8192 });
    const [device, instance] = samples(xml.replace(/(<process_info>\s*<gpu_instance_id>)3/, '$19'));
    expect([device!.processes.length, instance!.processes.length]).toEqual([1, 0]);
  });

  it('takes "N/A" in any element for "not told": a value stays as it was, or it is absent', async () => {
    const compact = (xml: string): string => xml.replace(/<supported_clocks>[\s\S]*<\/supported_clocks>/, '');
    const load = compact(await recording('h200-load'));
    // What has a second place to come from: the instant power in place of the mean, and the graphics clock.
    const others: Partial<Record<keyof GpuSample, unknown>> = { power: 663.33 };
    let read = 0;
    for (const xml of [load, asV12(load), asV11(load), asV10(load), withMig(load, { 3: 8192 })]) {
      const good = samples(xml);
      for (const leaf of xml.matchAll(/<([a-z_0-9]+)>([^<]+)<\/\1>/g)) {
        const at = leaf.index + leaf[1]!.length + 2;
        const changed = samples(`${xml.slice(0, at)}N/A${xml.slice(at + leaf[2]!.length)}`);
        // Without its id a MIG instance is not told.
        if (changed.length !== good.length) expect(leaf[1]).toBe('gpu_instance_id');
        for (const sample of changed) {
          const before = good.find((s) => s.gpu === sample.gpu)!;
          for (const key of Object.keys(before) as (keyof GpuSample)[]) {
            const same = JSON.stringify(sample[key]) === JSON.stringify(before[key]);
            if (same || key === 'processes' || key === 'throttleReasons') continue;
            const allowed = [null, ...(key in others ? [others[key]] : [])];
            if (key === 'temperatureMargin' && xml !== load) allowed.push(29);
            expect(allowed, `${leaf[1]}: ${key}`).toContain(sample[key]);
            read++;
          }
        }
      }
    }
    expect(read).toBeGreaterThan(100);
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
