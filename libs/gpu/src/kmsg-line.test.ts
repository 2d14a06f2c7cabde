import { describe, expect, it } from 'vitest';
import { kernelGpu, kernelMessage, kernelXid, pciAddress } from './kmsg-line.js';

describe('kernelMessage', () => {
  it.each([
    ['4,1234,98765432,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1', 'NVRM: Xid (PCI:0000:3b:00): 79, pid=1'],
    ['6,339,5140900,c,caller=T1;a; b', 'a; b'],
    ['30,1,0,-;with \\x22quotes\\x22 and \\x5c', 'with "quotes" and \\'],
    ['5,0,0,-;', ''],
  ])('reads %s', (line, message) => {
    expect(kernelMessage(line)).toBe(message);
  });

  it.each([' SUBSYSTEM=pci', 'NVRM: Xid (PCI:0000:3b:00): 79', '', ',,,;x', '4,1,2;x', '4,1,2,-'])(
    'reads nothing from %j',
    (line) => {
      expect(kernelMessage(line)).toBeNull();
    },
  );
});

describe('kernelXid', () => {
  it.each([
    [
      "NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
      79,
      '0000:3b:00',
      null,
    ],
    ['NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.', 79, '0000:01:00', null],
    ['NVRM: Xid (PCI:0000:00:06): 31, pid=79749, name=exe, Ch 0000000a', 31, '0000:00:06', null],
    ['NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained: CE User Channel (0x9).', 94, '0000:01:00', 5],
    ['NVRM: Xid (PCI:0000:01:00 GPU-I:05 GPU-CI:01): 13, pid=7', 13, '0000:01:00', 5],
    ['NVRM: Xid (0000:03:00): 14, Channel 00000001', 14, '0000:03:00', null],
    ['NVRM: Xid (PCI:0009:01:00): 119', 119, '0009:01:00', null],
    ['NVRM: Xid (PCI:00000000:3B:00): 48 ', 48, '0000:3b:00', null],
  ])('reads %s', (message, code, address, instance) => {
    expect(kernelXid(message)).toEqual({ code, address, instance, message: message.trim() });
  });

  it.each([
    'NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.',
    'NVRM: Xid (PCI:0000:3b:00)',
    'NVRM: Xid (PCI:0000:3b:00): , pid=1',
    'NVRM: Xid (PCI:zz): 79',
    'NVRM: Xid (PCI:0000:3b:00): 79999999',
    'a program says NVRM: Xid (PCI:0000:3b:00): 79',
    '',
  ])('reads no XID from %j', (message) => {
    expect(kernelXid(message)).toBeNull();
  });

  it('cuts a long line', () => {
    expect(kernelXid(`NVRM: Xid (PCI:0000:3b:00): 13, ${'x'.repeat(9000)}`)!.message).toHaveLength(500);
  });
});

describe('kernelGpu', () => {
  const uuid = 'GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7';
  it.each([`NVRM: GPU at PCI:0000:3b:00: ${uuid}`, `NVRM: GPU at 0000:3b:00: ${uuid.replace('b8', 'B8')}`])(
    'reads %s',
    (message) => {
      expect(kernelGpu(message)).toEqual({ address: '0000:3b:00', uuid });
    },
  );
  it('reads nothing else', () => {
    expect(kernelGpu('NVRM: GPU at PCI:0000:3b:00: GPU-????????-????-????-????-????????????')).toBeNull();
  });
});

describe('pciAddress', () => {
  it.each([
    ['0000:3b:00.0', '0000:3b:00'],
    ['00000000:3B:00.0', '0000:3b:00'],
    ['00010000:0A:1F', '10000:0a:1f'],
    ['3b:00.0', null],
    ['gpu0', null],
  ])('reads %s', (text, address) => {
    expect(pciAddress(text)).toBe(address);
  });
});
