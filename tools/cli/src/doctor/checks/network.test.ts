import type { RdmaPort } from '@vigil/host';
import { afterEach, describe, expect, it } from 'vitest';
import { netInterface, Tree } from '../testing.js';
import { parseNcclInterfaces, selectInterfaces } from './nccl-names.js';
import {
  decideRdma,
  defaultInterface,
  ncclVariable,
  networkCongestion,
  networkMtu,
  networkNccl,
  networkRdma,
} from './network.js';

const trees: Tree[] = [];
async function tree(files: Record<string, string>): Promise<Tree> {
  const made = await Tree.make(files);
  trees.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(trees.splice(0).map((t) => t.remove()));
});

const ROUTE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
bond0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
`;
const ROUTE6 = `00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth6
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth7
`;

describe('the interface of the default route', () => {
  it('is that of the lowest metric', () => {
    expect(defaultInterface(ROUTE, ROUTE6)).toBe('bond0');
  });

  it('is that of IPv6 where IPv4 has none', () => {
    expect(defaultInterface(ROUTE.split('\n').slice(0, 2).join('\n'), ROUTE6)).toBe('eth6');
  });

  it('is none without routes', () => {
    expect(defaultInterface('', '')).toBeUndefined();
    expect(defaultInterface('nonsense\nmore nonsense', 'x')).toBeUndefined();
  });
});

describe('jumbo frames', () => {
  it.each([
    [9000, 'pass'],
    [9001, 'pass'],
    [8896, 'pass'],
    [1500, 'warn'],
  ])('an MTU of %i: %s', async (mtu, status) => {
    const made = await tree({ 'proc/net/route': ROUTE, ...netInterface('bond0', mtu) });
    expect(await networkMtu.run(made.context())).toMatchObject({
      status,
      measured: `${mtu} on bond0`,
      values: { interface: 'bond0', mtuBytes: mtu },
    });
  });

  it('are looked for where NCCL sends', async () => {
    const made = await tree({
      'proc/net/route': ROUTE,
      ...netInterface('bond0'),
      ...netInterface('ens1f0', 9000),
      'etc/nccl.conf': 'NCCL_SOCKET_IFNAME==ens1f0\n',
    });
    expect(await networkMtu.run(made.context())).toMatchObject({ status: 'pass', measured: '9000 on ens1f0' });
  });

  it('are skipped where there is no route', async () => {
    expect(await networkMtu.run((await tree({})).context())).toMatchObject({ status: 'skip' });
  });
});

describe('congestion control', () => {
  const run = async (current: string, available: string) =>
    networkCongestion.run(
      (
        await tree({
          'proc/sys/net/ipv4/tcp_congestion_control': current,
          'proc/sys/net/ipv4/tcp_available_congestion_control': available,
        })
      ).context(),
    );

  it('BBR passes', async () => {
    expect(await run('bbr', 'reno cubic bbr')).toMatchObject({ status: 'pass', measured: 'bbr' });
  });

  it('another one is told, with the module where it is not loaded', async () => {
    expect(await run('cubic', 'reno cubic bbr')).toMatchObject({
      status: 'warn',
      measured: 'cubic',
      remedy: expect.stringMatching(/^"sudo sysctl/),
    });
    expect(await run('cubic', 'reno cubic')).toMatchObject({
      remedy: expect.stringMatching(/^"sudo modprobe tcp_bbr"/),
    });
  });

  it('is skipped where the kernel does not say', async () => {
    expect(await networkCongestion.run((await tree({})).context())).toMatchObject({ status: 'skip' });
  });
});

describe('RDMA', () => {
  const port = (state: string, device = 'mlx5_0'): RdmaPort => ({
    device,
    port: '1',
    state,
    linkLayer: 'infiniband',
    rate: 400e9,
    receiveBytes: null,
    transmitBytes: null,
    errors: null,
  });
  const limits = (memlock: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax locked memory         ${memlock}              ${memlock}              bytes     \n`;

  it.each<[RdmaPort[], string | undefined, number, string, RegExp]>([
    [[], undefined, Infinity, 'skip', /No RDMA device/],
    [[port('active')], undefined, Infinity, 'pass', /without the processors/],
    [[port('active')], '0', Infinity, 'pass', /without the processors/],
    [[port('active')], '1', Infinity, 'warn', /NCCL_IB_DISABLE is set/],
    [[port('active')], undefined, 8 * 2 ** 20, 'warn', /pin only a part/],
    [[port('active'), port('down', 'mlx5_1')], undefined, Infinity, 'warn', /Without a link: mlx5_1\/1/],
    [[port('down')], undefined, Infinity, 'fail', /none has a link/],
  ])('ports %# give their row', (ports, disabled, lockable, status, reason) => {
    expect(decideRdma(ports, disabled, lockable)).toMatchObject({ status, reason: expect.stringMatching(reason) });
  });

  it('is read from /sys', async () => {
    const files = {
      'sys/class/infiniband/mlx5_0/ports/1/state': '4: ACTIVE\n',
      'sys/class/infiniband/mlx5_0/ports/1/rate': '400 Gb/sec (4X NDR)\n',
      'proc/self/limits': limits('unlimited'),
    };
    expect(await networkRdma.run((await tree(files)).context())).toMatchObject({
      status: 'pass',
      measured: '1 of 1 ports active, 400 Gbit/s',
    });
    const bounded = { ...files, 'proc/self/limits': limits('8388608') };
    expect(await networkRdma.run((await tree(bounded)).context())).toMatchObject({ status: 'warn' });
  });
});

describe('NCCL_SOCKET_IFNAME', () => {
  const present = ['lo', 'docker0', 'eth0', 'eth1', 'eth10', 'ib0'];

  // The examples of NCCL's user guide.
  it.each([
    ['eth', ['eth0', 'eth1', 'eth10']],
    ['=eth0', ['eth0']],
    ['=eth1,ib0', ['eth1', 'ib0']],
    ['eth1,ib', ['eth1', 'eth10', 'ib0']],
    ['^docker', ['eth0', 'eth1', 'eth10', 'ib0']],
    ['^=docker0', ['eth0', 'eth1', 'eth10', 'ib0']],
    ['^=docker', ['docker0', 'eth0', 'eth1', 'eth10', 'ib0']],
    ['lo', ['lo']],
    ['=eth0:1', ['eth0']],
    ['ens', []],
    ['=eth', []],
    ['', []],
  ])('%j means %j', (value, names) => {
    expect(selectInterfaces(parseNcclInterfaces(value), present)).toEqual(names);
  });

  it.each<[string | undefined, string, RegExp]>([
    [undefined, 'skip', /Not set/],
    ['eth', 'pass', /It means eth0\./],
    ['ens5', 'fail', /names no interface of this machine/],
    ['=ib0', 'fail', /ib0 is down/],
  ])('%j: %s', async (value, status, reason) => {
    const made = await tree({ ...netInterface('eth0'), ...netInterface('ib0', 2044, 'down'), ...netInterface('lo') });
    const env = { HOME: made.folder, ...(value !== undefined && { NCCL_SOCKET_IFNAME: value }) };
    const finding = await networkNccl.run(made.context({ env }));
    expect(finding).toMatchObject({ status, reason: expect.stringMatching(reason) });
    if (status === 'fail') expect(finding.remedy).toContain('eth0, ib0');
  });

  it('is read where NCCL reads it: environment, own file, the system', async () => {
    const made = await tree({
      'etc/nccl.conf': '# all\nNCCL_DEBUG=WARN\nNCCL_SOCKET_IFNAME==system0\n',
      '.nccl.conf': 'NCCL_SOCKET_IFNAME=own0\n',
      'named.conf': 'NCCL_SOCKET_IFNAME=named0\n',
    });
    const read = (env: Record<string, string>) => ncclVariable('NCCL_SOCKET_IFNAME', { env, etc: made.path('etc') });
    expect(read({ HOME: made.folder, NCCL_SOCKET_IFNAME: 'env0' })).toBe('env0');
    expect(read({ HOME: made.folder })).toBe('own0');
    expect(read({ HOME: made.folder, NCCL_CONF_FILE: made.path('named.conf') })).toBe('named0');
    expect(read({ HOME: '/nowhere' })).toBe('=system0');
  });
});
