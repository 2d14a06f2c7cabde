import { describe, expect, it } from 'vitest';
import { checkedLookup, isAllowed, kindOf, type AddressKind } from './address.js';

describe('an address', () => {
  it.each<[string, AddressKind]>([
    ['93.184.216.34', 'public'],
    ['2606:2800:220:1::1', 'public'],
    ['172.15.255.255', 'public'],
    ['172.16.0.1', 'private'],
    ['10.0.0.1', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['127.0.0.1', 'private'],
    ['127.255.255.254', 'private'],
    ['::1', 'private'],
    ['fd12:3456::1', 'private'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['fd00:ec2::254', 'link-local'],
    ['0.0.0.0', 'unusable'],
    ['::', 'unusable'],
    ['224.0.0.1', 'unusable'],
    ['255.255.255.255', 'unusable'],
    // IPv4 in disguise.
    ['::ffff:127.0.0.1', 'private'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['0:0:0:0:0:ffff:10.0.0.1', 'private'],
    ['::127.0.0.1', 'private'],
    ['64:ff9b::169.254.169.254', 'link-local'],
    ['2002:7f00:1::', 'private'],
    ['::ffff:8.8.8.8', 'public'],
  ])('%s is %s', (address, kind) => {
    expect(kindOf(address)).toBe(kind);
  });

  it('is allowed as far as the reach goes', () => {
    const of = (address: string) =>
      (['public', 'private', 'all'] as const).filter((reach) => isAllowed(address, reach));
    expect(of('8.8.8.8')).toEqual(['public', 'private', 'all']);
    expect(of('10.0.0.1')).toEqual(['private', 'all']);
    expect(of('169.254.169.254')).toEqual(['all']);
    expect(of('0.0.0.0')).toEqual([]);
  });

  it('of a name is checked where it is resolved', async () => {
    const look = (reach: 'public' | 'private') =>
      new Promise((done) => checkedLookup(reach)('localhost', { all: true }, (error, found) => done(error ?? found)));
    expect(await look('public')).toMatchObject({ code: 'ADDRESS_REFUSED' });
    expect(await look('private')).toEqual(
      expect.arrayContaining([expect.objectContaining({ family: expect.any(Number) })]),
    );
  });
});
