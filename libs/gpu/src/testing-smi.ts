/*
 * What older drivers and MIG print, made of the recordings of an H200 (schema v13) for the tests of this folder. The
 * differences are those of drivers 450 (v10), 515 (v11) and 535 (v12). Nothing of it runs in the collector.
 */

const SMI_13 = /<average_power_draw>([^<]*)<\/average_power_draw>\s*<instant_power_draw>[^<]*<\/instant_power_draw>/g;
const NEWER_ECC = /\s*<sram_uncorrectable_secded>[^<]*<\/sram_uncorrectable_secded>/g;
const MARGIN = /<gpu_temp_tlimit>[\s\S]*?<gpu_target_temperature>/;
const ACTION = /<gpu_recovery_action>[^<]*<\/gpu_recovery_action>\s*/;

const dtd = (xml: string, version: number): string =>
  xml.replace('nvsmi_device_v13.dtd', `nvsmi_device_v${version}.dtd`);

/** 58 °C of 82 under load, as the margin of the recording says. */
const THRESHOLDS =
  '<gpu_temp_max_threshold>90 C</gpu_temp_max_threshold>' +
  '<gpu_temp_slow_threshold>87 C</gpu_temp_slow_threshold>' +
  '<gpu_temp_max_gpu_threshold>82 C</gpu_temp_max_gpu_threshold>';

export function asV12(xml: string): string {
  return dtd(xml, 12)
    .replaceAll(SMI_13, '<power_draw>$1</power_draw>')
    .replaceAll(NEWER_ECC, '')
    .replaceAll('sram_uncorrectable_parity', 'sram_uncorrectable')
    .replace(MARGIN, `<gpu_temp_tlimit>N/A</gpu_temp_tlimit>${THRESHOLDS}<gpu_target_temperature>`)
    .replace(
      ACTION,
      '<gpu_reset_status><reset_required>No</reset_required>' +
        '<drain_and_reset_recommended>No</drain_and_reset_recommended></gpu_reset_status>',
    );
}

export function asV11(xml: string): string {
  return dtd(asV12(xml).replace('_v12.dtd', '_v13.dtd'), 11)
    .replaceAll('clocks_event_reason', 'clocks_throttle_reason')
    .replaceAll('gpu_power_readings', 'power_readings')
    .replaceAll('current_power_limit', 'enforced_power_limit')
    .replace('<gpu_temp_tlimit>N/A</gpu_temp_tlimit>', '')
    .replace(/<gpu_reset_status>[\s\S]*?<\/gpu_reset_status>/, '');
}

export function asV10(xml: string): string {
  return asV11(xml)
    .replace('_v11.dtd', '_v10.dtd')
    .replace(
      /<volatile>[\s\S]*?<\/volatile>/,
      '<volatile><single_bit><device_memory>0</device_memory><total>0</total></single_bit>' +
        '<double_bit><device_memory>0</device_memory><total>0</total></double_bit></volatile>',
    )
    .replace(/\s*<reserved>[^<]*<\/reserved>/, '');
}

/** The GPU cut into instances of so many MiB used, of 16384 MiB each; the process runs in the first. */
export function withMig(xml: string, used: Readonly<Record<number, number>>): string {
  const devices = Object.entries(used).map(
    ([id, mib], index) => `<mig_device><index>${index}</index><gpu_instance_id>${id}</gpu_instance_id>
      <compute_instance_id>0</compute_instance_id>
      <device_attributes><shared><multiprocessor_count>16</multiprocessor_count></shared></device_attributes>
      <ecc_error_count><volatile_count><sram_uncorrectable>0</sram_uncorrectable></volatile_count></ecc_error_count>
      <fb_memory_usage><total>16384 MiB</total><reserved>0 MiB</reserved><used>${mib} MiB</used>
      <free>${16384 - mib} MiB</free></fb_memory_usage></mig_device>`,
  );
  return xml
    .replace('<current_mig>Disabled', '<current_mig>Enabled')
    .replace(/<mig_devices>[\s\S]*?<\/mig_devices>/, `<mig_devices>${devices.join('')}</mig_devices>`)
    .replaceAll(/(<(?:gpu|memory)_util>)[^<]*/g, '$1N/A')
    .replace(/(<process_info>\s*<gpu_instance_id>)N\/A/, `$1${Object.keys(used)[0]}`);
}
