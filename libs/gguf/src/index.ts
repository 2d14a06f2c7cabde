export { GgufError, readGgufHeader, type GgufHeader, type GgufScalar } from './header.js';
