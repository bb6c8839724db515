// A browser worker that throws in the middle of its work.
import '/dist/carafe-web-worker.js';

let messages = 0;
addEventListener('message', () => {
  if (++messages === 4)
    setTimeout(() => {
      throw new Error('died');
    });
});
