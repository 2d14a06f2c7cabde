import { checkRooms } from './boundaries.js';

const problems = checkRooms(process.cwd());
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
