export { resolveSubject, type Named, type SizeOptions } from './size/subject.js';
export { sizeReport, type SizeReport } from './size/report.js';
