import { afterEach, describe, expect, it } from 'vitest';
import { interfaceNames, readCongestionControl, readInterfaces } from './network.js';
import { parsePortRate, parsePortState, readRdmaPorts } from './rdma.js';
import { HostTree, interfaceTree, rdmaTree, virtualMachine, type Tree } from './testing.js';

let tree: HostTree;
afterEach(() => tree.remove());

const names = async (files: Tree): Promise<string[]> => {
  tree = await HostTree.make(files);
  return readInterfaces(tree.roots).map((i) => i.name);
};

describe('readInterfaces', () => {
  it('leaves out what has no hardware', async () => {
    const found = await names({
      ...(await virtualMachine()),
      'sys/class/net/bonding_masters': 'bond0\n',
      ...interfaceTree('eth10', { device: true }),
      ...interfaceTree('eth2', { device: true }),
      ...interfaceTree('docker0'),
      ...interfaceTree('br-0a1b'),
      ...interfaceTree('veth12ab', { master: 'docker0' }),
      ...interfaceTree('eth2.100'),
      ...interfaceTree('wg0'),
      ...interfaceTree('pf0vf3', { device: true, portName: 'pf0vf3' }),
    });
    expect(found).toEqual(['eth0', 'eth2', 'eth10']);
    expect(interfaceNames(tree.roots)).toEqual(
      expect.arrayContaining(['lo', 'docker0', 'veth12ab', 'wg0', 'eth2', 'ifb1']),
    );
    expect(interfaceNames(tree.roots)).not.toContain('bonding_masters');
  });

  it('counts a bond once', async () => {
    expect(
      await names({
        ...interfaceTree('bond0', { bond: true, mtu: 9000 }),
        ...interfaceTree('ens1f0', { device: true, master: 'bond0' }),
        ...interfaceTree('ens1f1', { device: true, master: 'bond0' }),
        ...interfaceTree('eno1', { device: true }),
      }),
    ).toEqual(['bond0', 'eno1']);
  });

  it('counts what belongs to a bridge, since the bridge is not counted', async () => {
    expect(await names({ ...interfaceTree('br0'), ...interfaceTree('eno1', { device: true, master: 'br0' }) })).toEqual(
      ['eno1'],
    );
  });

  it("counts a virtual machine's accelerated interface once", async () => {
    expect(
      await names({
        ...interfaceTree('eth0', { device: true }),
        ...interfaceTree('enP1s1', { device: true, master: 'eth0' }),
      }),
    ).toEqual(['eth0']);
  });

  it('reads units, and null for what a driver does not tell', async () => {
    tree = await HostTree.make({
      ...interfaceTree('a', { device: true, mtu: 9000, speed: '100000', counts: [10, 20, 1, 2, 30, 40] }),
      ...interfaceTree('b', { device: true, state: 'unknown', speed: '-1' }),
      ...interfaceTree('c', { device: true, state: 'down' }),
      'sys/class/net/d/mtu': '1500\n',
      'sys/class/net/d/device/x': '',
    });
    expect(readInterfaces(tree.roots)).toEqual([
      {
        name: 'a',
        mtu: 9000,
        up: true,
        speed: 100e9,
        receiveBytes: 10,
        transmitBytes: 20,
        receiveErrors: 31,
        transmitErrors: 42,
      },
      expect.objectContaining({ name: 'b', up: true, speed: null, receiveErrors: 0 }),
      expect.objectContaining({ name: 'c', up: false, speed: null }),
      {
        name: 'd',
        mtu: 1500,
        up: false,
        speed: null,
        receiveBytes: null,
        transmitBytes: null,
        receiveErrors: null,
        transmitErrors: null,
      },
    ]);
  });
});

describe('readCongestionControl', () => {
  it('tells what is used and what could be', async () => {
    tree = await HostTree.make({ 'proc/sys/net/ipv4/tcp_congestion_control': 'cubic\n' });
    expect(readCongestionControl(tree.roots)).toEqual({ current: 'cubic', available: [] });
    await tree.write({ 'proc/sys/net/ipv4/tcp_available_congestion_control': 'reno cubic bbr\n' });
    expect(readCongestionControl(tree.roots)?.available).toEqual(['reno', 'cubic', 'bbr']);
  });
});

describe('readRdmaPorts', () => {
  it('reads InfiniBand, whose data counters are in words of 4 bytes', async () => {
    tree = await HostTree.make({
      ...rdmaTree('mlx5_10', '1', {}, '2.5 Gb/sec (1X SDR)'),
      ...rdmaTree('mlx5_2', '1', {
        port_rcv_data: '1000',
        port_xmit_data: '4611686018427387904',
        symbol_error: '1',
        link_downed: '2',
        port_xmit_discards: '4',
        // Neither is a fault of the port.
        port_rcv_switch_relay_errors: '100',
        VL15_dropped: '100',
      }),
    });
    expect(readRdmaPorts(tree.roots)).toEqual([
      {
        device: 'mlx5_2',
        port: '1',
        state: 'active',
        linkLayer: 'infiniband',
        rate: 400e9,
        receiveBytes: 4000,
        transmitBytes: 2 ** 64,
        errors: 7,
      },
      expect.objectContaining({
        device: 'mlx5_10',
        rate: 2.5e9,
        receiveBytes: null,
        transmitBytes: null,
        errors: null,
      }),
    ]);
  });

  it("reads EFA's counters, which are in bytes", async () => {
    const port = 'sys/class/infiniband/rdmap0s6/ports/1';
    tree = await HostTree.make({
      ...rdmaTree('rdmap0s6', '1', { port_rcv_data: 'N/A (no PMA)' }),
      [`${port}/hw_counters/rx_bytes`]: '700\n',
      [`${port}/hw_counters/tx_bytes`]: '800\n',
      [`${port}/hw_counters/rx_drops`]: '3\n',
    });
    expect(readRdmaPorts(tree.roots)).toMatchObject([{ receiveBytes: 700, transmitBytes: 800, errors: 3 }]);
  });

  it.each([
    ['4: ACTIVE', 'active'],
    ['1: DOWN', 'down'],
    ['5: ACTIVE_DEFER', 'active_defer'],
    ['', null],
    [null, null],
  ])('state %j', async (text, expected) => {
    expect(parsePortState(text)).toBe(expected);
  });

  it.each([
    ['100 Gb/sec (4X EDR)', 100e9],
    ['2.5 Gb/sec (1X SDR)', 2.5e9],
    ['0 Gb/sec', 0],
    ['unknown', null],
    [null, null],
  ])('rate %j', async (text, expected) => {
    expect(parsePortRate(text)).toBe(expected);
  });
});
