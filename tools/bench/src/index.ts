export { quantile, median } from './statistics.js';
export { printable, replaceSection, section } from './report.js';
export type * from './types.js';
