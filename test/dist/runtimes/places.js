// The places of a browser, and what comes of the attempts there.
import { createUpscaler } from '/node_modules/carafe-web/dist/index.js';
import { attempts } from './attempts.js';

const next = (target) => new Promise((resolve) => target.addEventListener('message', ({ data }) => resolve(data)));

const PLACES = {
  page: () => attempts(createUpscaler),
  'module worker': () => next(new Worker('worker.js', { type: 'module' })),
  'shared worker': () => {
    const { port } = new SharedWorker('worker.js', { type: 'module' });
    port.start();
    return next(port);
  },
  'service worker': async () => {
    await navigator.serviceWorker.register('service-worker.js', { type: 'module' });
    const { active } = await navigator.serviceWorker.ready;
    active.postMessage('go');
    return next(navigator.serviceWorker);
  },
  'sandboxed frame': () => {
    const frame = Object.assign(document.createElement('iframe'), { sandbox: 'allow-scripts', src: 'frame.html' });
    document.body.append(frame);
    return next(window);
  },
};

export const answersFrom = async (names) =>
  Object.fromEntries(await Promise.all(names.map(async (name) => [name, await PLACES[name]()])));
