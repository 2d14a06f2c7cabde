export { checkService, readCompose } from './stack-file.js';
