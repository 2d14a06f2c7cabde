/** What `NCCL_SOCKET_IFNAME` asks for. */
export interface NcclInterfaces {
  /** `^`: all but these. */
  exclude: boolean;
  /** `=`: whole names in place of beginnings. */
  exact: boolean;
  names: string[];
}

/**
 * Reads `eth`, `=eth0,eth1`, `^docker`, `^=docker0` (NCCL's user guide, "NCCL_SOCKET_IFNAME"). A port behind a name
 * (`eth0:1`) is left out.
 */
export function parseNcclInterfaces(value: string): NcclInterfaces {
  const exclude = value.startsWith('^');
  const rest = exclude ? value.slice(1) : value;
  const exact = rest.startsWith('=');
  const names = (exact ? rest.slice(1) : rest)
    .split(',')
    .map((name) => name.trim().replace(/:\d+$/, ''))
    .filter((name) => name !== '');
  return { exclude, exact, names };
}

/** The interfaces that are meant. NCCL leaves loopback out unless it is named. */
export function selectInterfaces({ exclude, exact, names }: NcclInterfaces, present: readonly string[]): string[] {
  const named = (name: string) => names.some((n) => (exact ? name === n : name.startsWith(n)));
  return exclude ? present.filter((name) => name !== 'lo' && !named(name)) : present.filter(named);
}
