import { lookup as resolve, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Which addresses a receiver may have. `public` ones always; `private` ones (RFC 1918, loopback, unique local, shared)
 * also with `private`; link-local ones, where clouds serve their credentials, only with `all`.
 */
export type Reach = 'public' | 'private' | 'all';
export type AddressKind = 'public' | 'private' | 'link-local' | 'unusable';

const list = (...ranges: [string, number, 'ipv4' | 'ipv6'][]): BlockList => {
  const made = new BlockList();
  for (const [address, prefix, family] of ranges) made.addSubnet(address, prefix, family);
  return made;
};

const LINK_LOCAL = list(['169.254.0.0', 16, 'ipv4'], ['fe80::', 10, 'ipv6'], ['fd00:ec2::', 32, 'ipv6']);
const UNUSABLE = list(
  ['0.0.0.0', 8, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
);
const PRIVATE = list(
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
);

/** What kind of address this is; IPv4 that is wrapped in IPv6 counts as what is in it. */
export function kindOf(address: string): AddressKind {
  const plain = unwrap(address.split('%')[0]!);
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
  if (UNUSABLE.check(plain, family)) return 'unusable';
  if (LINK_LOCAL.check(plain, family)) return 'link-local';
  return PRIVATE.check(plain, family) ? 'private' : 'public';
}

/** `::ffff:a.b.c.d`, NAT64 and 6to4, in any spelling, as the IPv4 address that they lead to. */
function unwrap(address: string): string {
  if (isIP(address) !== 6) return address;
  const words = expand(address);
  const v4 = (high: number, low: number) => [high >> 8, high & 255, low >> 8, low & 255].join('.');
  const zeros = words.slice(0, 5).every((word) => word === 0);
  if (zeros && (words[5] === 0xffff || (words[5] === 0 && (words[6] !== 0 || words[7]! > 1))))
    return v4(words[6]!, words[7]!);
  if (words[0] === 0x64 && words[1] === 0xff9b) return v4(words[6]!, words[7]!);
  return words[0] === 0x2002 ? v4(words[1]!, words[2]!) : address;
}

/** The eight words of an IPv6 address; the URL parser knows every spelling. */
function expand(address: string): number[] {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const [front, back] = [words(head), words(tail ?? '')];
  return [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
}

export function isAllowed(address: string, reach: Reach): boolean {
  const kind = kindOf(address);
  if (kind === 'unusable') return false;
  return kind === 'public' || reach === 'all' || (kind === 'private' && reach === 'private');
}

/** A name leads to addresses that are not allowed. */
export class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

/** The IP address that a host is written as; undefined where it is a name. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isIP(bare) ? bare : undefined;
}

/**
 * Resolves a name for a connection. The connection is made to the very addresses that were checked, so a name that
 * answers differently a moment later changes nothing.
 */
export function checkedLookup(reach: Reach): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error) return void done(error, '', 0);
      const allowed = found.filter(({ address }) => isAllowed(address, reach));
      if (allowed.length === 0) return void done(new AddressRefused(), '', 0);
      if (options.all) done(null, allowed);
      else done(null, allowed[0]!.address, allowed[0]!.family);
    });
  };
}
