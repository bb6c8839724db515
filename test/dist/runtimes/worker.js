// A module worker, or a shared one.
import { createUpscaler } from '/node_modules/carafe-web/dist/index.js';
import { attempts } from './attempts.js';

const answers = attempts(createUpscaler);
if ('onconnect' in self) self.onconnect = async ({ ports: [port] }) => port.postMessage(await answers);
else self.postMessage(await answers);
