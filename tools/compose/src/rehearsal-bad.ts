import { noGpuRuntime, olderPostgres, takenPort, unwritable, unwritablePostgres, wrongPassword } from './bad-input.js';
import type { Project } from './project.js';
import type { Report } from './report.js';

/** Images that helpers of the rehearsal are made of. */
export interface Images {
  postgres: string;
  ours: string;
}

/** What people do wrong: each is named, and nothing is overwritten. */
export async function bad(
  report: Report,
  project: Project,
  services: readonly string[],
  images: Images,
  row: string,
): Promise<void> {
  await report.step('A taken port is named', () => takenPort(project));
  await report.step('GPUs without a GPU runtime are refused', () => noGpuRuntime(project));
  await report.step('A volume of an older PostgreSQL is named and left alone', () =>
    olderPostgres(project, images.postgres),
  );
  await report.step("PostgreSQL's unwritable volume is named", () => unwritablePostgres(project, images.postgres));
  await report.step('An unwritable volume of ours is named', () => unwritable(project, images.ours));
  await report.step('A wrong password is named, and the data are there with the right one', () =>
    wrongPassword(project, services, row),
  );
}
