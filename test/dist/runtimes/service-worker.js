// Service workers refuse import(): the package in one file, and a model beside it.
import { createUpscaler } from '/node_modules/carafe-web/dist/inline.js';
import model from '/node_modules/carafe-web/dist/models/base-x2.js';
import { attempts } from './attempts.js';

addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('message', async ({ source }) =>
  source.postMessage(await attempts((options) => createUpscaler({ ...options, model }))),
);
