import type { StoredAlert } from './alert-store.js';

/** Within so many seconds every quiet alert is written anew, with its latest value. */
const REFRESH_SECONDS = 10;

/**
 * The alerts that have to be written after a beat: those that changed or may fire, and of the quiet ones a share, those first
 * that were written longest ago. A fleet's thousands of quiet alerts would otherwise be written each second. Pure.
 * @param before by rule and fingerprint, as `keyOf` has it
 */
export function changedOf(
  before: ReadonlyMap<string, StoredAlert>,
  after: readonly StoredAlert[],
  intervalSeconds: number,
): StoredAlert[] {
  const changed: StoredAlert[] = [];
  const quiet: { alert: StoredAlert; writtenAt: number }[] = [];
  for (const alert of after) {
    const old = before.get(keyOf(alert));
    const isQuiet =
      old?.state === alert.state &&
      alert.activeSince === null &&
      old.activeSince === null &&
      alert.absentSince?.getTime() === old.absentSince?.getTime();
    if (isQuiet) quiet.push({ alert, writtenAt: old.evaluatedAt.getTime() });
    else changed.push(alert);
  }
  const share = Math.ceil(quiet.length * Math.min(1, intervalSeconds / REFRESH_SECONDS));
  const oldest = quiet.toSorted((a, b) => a.writtenAt - b.writtenAt).slice(0, share);
  return [...changed, ...oldest.map(({ alert }) => alert)];
}

export const keyOf = ({ rule, fingerprint }: Pick<StoredAlert, 'rule' | 'fingerprint'>): string =>
  `${rule} ${fingerprint}`;
