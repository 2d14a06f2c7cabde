/**
 * Asks the API for every request since `from` and answers which of the wanted response ids are missing.
 * Asks again until none is, or `seconds` have passed: rows arrive within moments, or after an outage a little later.
 */
export async function missingRequests(
  api: string,
  wanted: ReadonlySet<string>,
  from: Date,
  seconds: number,
): Promise<string[]> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const missing = new Set(wanted);
    try {
      let cursor: string | null = null;
      do {
        const query = new URLSearchParams({ limit: '500', from: from.toISOString(), ...(cursor && { cursor }) });
        const response = await fetch(`${api}/api/v1/requests?${query}`, { signal: AbortSignal.timeout(10_000) });
        if (!response.ok) throw new Error(`status ${response.status}`);
        const page = (await response.json()) as { items: { responseId: string | null }[]; next: string | null };
        for (const { responseId } of page.items) if (responseId) missing.delete(responseId);
        cursor = page.next;
      } while (cursor !== null && missing.size > 0);
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    if (missing.size === 0 || Date.now() > end) return [...missing];
    await new Promise((done) => setTimeout(done, 500));
  }
}
