/** An XID as the kernel's log tells it. */
export interface KernelXid {
  code: number;
  /** The device's place on the bus, such as `0000:3b:00`. */
  address: string;
  /** GPU instance that it concerns, where MIG is on. */
  instance: number | null;
  /** The whole line, cut to some length. */
  message: string;
}

/** Which GPU sits where, as the driver says before its first XID. */
export interface KernelGpu {
  address: string;
  uuid: string;
}

const MAX_MESSAGE = 500;
const ADDRESS = '(?:PCI:)?([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2})(?:\\.[0-9a-f])?';
const XID = new RegExp(
  `^NVRM: Xid \\(${ADDRESS}(?: GPU-I:(\\d{1,3}))?(?: GPU-CI:\\d{1,3})?\\): (\\d{1,6})(?:\\D|$)`,
  'i',
);
const GPU = new RegExp(`^NVRM: GPU at ${ADDRESS}: (GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`, 'i');

/**
 * The message of one line of `/dev/kmsg`: `priority,sequence,microseconds,flags[,…];message`. `null` for lines that
 * carry properties (they begin with a blank) and for anything else.
 * Source: the kernel's Documentation/ABI/testing/dev-kmsg
 */
export function kernelMessage(line: string): string | null {
  const match = /^\d{1,6},\d{1,20},\d{1,20},[^;]{0,200};(.*)$/s.exec(line);
  if (match === null) return null;
  // Bytes that could disturb a terminal are written as \x0a and the like.
  return match[1]!.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Domain, bus and device in the one form that is compared: `00000000:3B:00.0` is `0000:3b:00`. */
export function pciAddress(text: string): string | null {
  const match = /^([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})(?:\.[0-9a-f])?$/i.exec(text);
  if (match === null) return null;
  const domain = Number.parseInt(match[1]!, 16).toString(16).padStart(4, '0');
  return `${domain}:${match[2]}:${match[3]}`.toLowerCase();
}

/** What a message of the kernel says of an XID: `NVRM: Xid (PCI:0000:3b:00): 79, pid=…`; `null` for any other. */
export function kernelXid(message: string): KernelXid | null {
  const match = XID.exec(message);
  if (match === null) return null;
  const instance = match[2] === undefined ? null : Number(match[2]);
  return {
    code: Number(match[3]),
    address: pciAddress(match[1]!)!,
    instance,
    message: message.slice(0, MAX_MESSAGE).replaceAll(/\s+/g, ' ').trim(),
  };
}

/** `NVRM: GPU at PCI:0000:3b:00: GPU-…`; `null` for any other message. */
export function kernelGpu(message: string): KernelGpu | null {
  const match = GPU.exec(message);
  return match === null ? null : { address: pciAddress(match[1]!)!, uuid: `GPU-${match[2]!.slice(4).toLowerCase()}` };
}
