import { describe, expect, it } from 'vitest';
import { containerOf, isRuntime, readStat } from './process-facts.js';

const ID = '3f4a5b6c7d8e9f00112233445566778899aabbccddeeff00112233445566aabb';
const OTHER = 'ffeeddccbbaa00998877665544332211ffeeddccbbaa00998877665544332211';
const POD = 'pod0a1b2c3d_1111_2222_3333_444455556666';

describe('containerOf', () => {
  it.each([
    ['Docker, version 2, systemd', `0::/system.slice/docker-${ID}.scope`],
    ['Docker, version 2, without systemd', `0::/docker/${ID}`],
    ['Docker, version 1', `12:devices:/docker/${ID}\n11:cpu,cpuacct:/docker/${ID}\n1:name=systemd:/docker/${ID}`],
    ['Docker, version 1, systemd', `4:memory:/system.slice/docker-${ID}.scope`],
    ['version 1 and 2 at once', `2:cpuset:/\n1:name=systemd:/docker/${ID}\n0::/system.slice/containerd.service`],
    [
      'containerd in Kubernetes, systemd',
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-${POD}.slice/cri-containerd-${ID}.scope`,
    ],
    ['containerd in Kubernetes, without systemd', `0::/kubepods/besteffort/${POD}/${ID}`],
    [
      'containerd in Kubernetes, with its colons',
      `5:memory:/system.slice/containerd.service/kubepods-burstable-${POD}.slice:cri-containerd:${ID}`,
    ],
    ['containerd by nerdctl', `0::/system.slice/nerdctl-${ID}.scope`],
    ['CRI-O', `0::/kubepods.slice/kubepods-${POD}.slice/crio-${ID}.scope`],
    ['CRI-O with a cgroup inside', `0::/kubepods.slice/kubepods-${POD}.slice/crio-${ID}.scope/container`],
    ['Podman', `0::/machine.slice/libpod-${ID}.scope`],
    ['Podman with a cgroup inside', `0::/machine.slice/libpod-${ID}.scope/container`],
    ['Podman of a user', `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`],
    ['Podman without systemd', `0::/libpod_parent/libpod-${ID}`],
    ['seen from another cgroup namespace', `0::/../../docker-${ID}.scope`],
    ['a container in a container', `0::/docker/${OTHER}/docker/${ID}`],
    ['Amazon ECS', `9:perf_event:/ecs/0123456789abcdef0123456789abcdef/${ID}`],
  ])('%s', (_, text) => {
    expect(containerOf(`${text}\n`)).toBe(ID);
  });

  it.each([
    ['nothing', ''],
    ['the root', '0::/\n'],
    ['a service', '0::/system.slice/vigil.service\n'],
    ["a user's session", '0::/user.slice/user-1000.slice/session-3.scope\n'],
    ["CRI-O's monitor", `0::/kubepods.slice/kubepods-${POD}.slice/crio-conmon-${ID}.scope\n`],
    ["Podman's monitor", `0::/machine.slice/libpod-conmon-${ID}.scope\n`],
    ['an id cut short', `0::/docker/${ID.slice(1)}\n`],
    ['an id with more behind', `0::/docker/${ID}0\n`],
    ['something else', `docker-${ID}.scope\n`],
    ['a pod without a container', `0::/kubepods.slice/kubepods-${POD}.slice\n`],
  ])('of %s is none', (_, text) => {
    expect(containerOf(text)).toBeNull();
  });
});

describe('isRuntime', () => {
  it.each([
    ['/usr/bin/node', '/app/apps/runtime/dist/child/main.js'],
    ['node', 'apps/runtime/dist/main.js', '--x'],
    ['/usr/local/bin/node', '--max-old-space-size=512', '/srv/vigil/apps/runtime/dist/main.js'],
  ])('%s %s', (...args) => {
    expect(isRuntime(`${args.join('\0')}\0`)).toBe(true);
  });

  it.each([
    [''],
    ['/usr/bin/node', '/app/apps/collector/dist/main.js'],
    ['/usr/bin/node', '/app/notapps/runtime/dist/main.js'],
    ['/usr/bin/node', '/app/apps/runtime/dist/child/main.js.map'],
    ['/usr/bin/vim', '/app/apps/runtime/dist/main.js'],
    ['python3', '-m', 'vllm.entrypoints.openai.api_server'],
  ])('not %s %s', (...args) => {
    expect(isRuntime(`${args.join('\0')}\0`)).toBe(false);
  });
});

describe('readStat', () => {
  it('reads behind a name with spaces and parentheses', () => {
    const text = `412 (a) S (b) R 77 412 412 0 -1 4194304 ${'0 '.repeat(12)}98765 1 2`;
    expect(readStat(text)).toEqual({ parent: 77, start: '98765' });
  });

  it.each(['', '412 (node)', '412 (node) R x 1', 'garbage'])('%j is none', (text) => {
    expect(readStat(text)).toBeNull();
  });
});
