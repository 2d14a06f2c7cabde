/**
 * Waits until something holds, asking again and again; for what happens in another process.
 * @throws Error after `seconds`, with what was waited for and the last error
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T> | T,
  seconds = 30,
): Promise<Exclude<T, false | null | undefined>> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  while (Date.now() < end) {
    try {
      const found = await probe();
      if (found !== undefined && found !== null && found !== false) return found as never;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`Waited ${seconds} s in vain for ${what}${last ? `: ${String(last)}` : ''}`, { cause: last });
}
