import { NoHelm, provideHelm } from './provide.js';

/**
 * Helm 4, or 3 where HELM=3 is set, as `npm run test:helm` does. Where there is none, `missing` says so and tests are
 * left out; in CI that is an error.
 */
export async function provideForTests(): Promise<{ helm: string; missing: string | undefined }> {
  try {
    return { helm: await provideHelm(process.env.HELM === '3' ? 3 : 4), missing: undefined };
  } catch (error) {
    if (!(error instanceof NoHelm) || process.env.CI) throw error;
    const missing = `${error.message} The chart's tests are left out.`;
    console.warn(missing);
    return { helm: '', missing };
  }
}
