export { HELMS, NoHelm, provideHelm } from './provide.js';
export { CHART, HelmError, render, runHelm, type KubernetesObject } from './render.js';
export { checkFields, checkSchemas } from './schemas.js';
