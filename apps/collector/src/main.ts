import { readConfig, runMain } from '@vigil/service';
import { createApp } from './app.js';
import { configSchema } from './config.js';

await runMain(() => createApp(readConfig(configSchema)));
