// The demo page: a photo in, the photo enlarged beside the browser's own bicubic; tiles appear as they are ready.
import { createUpscaler, toBlob } from '../dist/index.js';

/** @returns {any} an input, a canvas, a link */
const $ = (id) => document.getElementById(id);
let upscaler;
let running;

async function show(blob) {
  running?.abort();
  const controller = (running = new AbortController());
  try {
    /** @type {any} */
    const options = { backend: $('backend').value, model: $('model').value, scale: Number($('scale').value) };
    const key = JSON.stringify(options);
    if (upscaler?.key !== key) {
      upscaler?.session.then(
        (session) => session.dispose(),
        () => {},
      );
      upscaler = { key, session: createUpscaler(options) };
    }
    await upscale(await upscaler.session, blob, controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) $('status').textContent = `${error.code ?? error.name}: ${error.message}`;
  } finally {
    if (running === controller) $('cancel').disabled = true;
  }
}

async function upscale(session, blob, signal) {
  const { scale } = session.info;
  const bitmap = await createImageBitmap(blob);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  for (const id of ['before', 'after']) Object.assign($(id), { width, height });
  for (const id of ['before', 'after']) {
    // until its tile is there, a place shows the bicubic one
    const context = $(id).getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, width, height);
  }
  bitmap.close();
  $('stage').hidden = false;
  $('save').hidden = true;
  $('cancel').disabled = false;
  $('progress').value = 0;
  const after = $('after').getContext('2d');
  const start = performance.now();
  const onProgress = ({ done, total }) => {
    $('progress').value = done / total;
    $('status').textContent = `${done} of ${total} tiles`;
  };
  for await (const { x, y, image } of session.tiles(blob, { signal, onProgress })) {
    after.putImageData(new ImageData(image.data, image.width, image.height), x, y);
  }
  const seconds = (performance.now() - start) / 1000;
  const { backend, details, rejected, model, workers } = session.info;
  $('status').textContent =
    `${width}x${height} in ${seconds.toFixed(2)} s, ${((width * height) / 1e6 / seconds).toFixed(1)} megapixels/s; ${model} on ${backend} (${details}), ${workers} worker${workers === 1 ? '' : 's'}${rejected.map((r) => `; not ${r.backend}: ${r.reason}`).join('')}`;
  URL.revokeObjectURL($('save').href);
  $('save').href = URL.createObjectURL(await toBlob(after.getImageData(0, 0, width, height)));
  $('save').download = `photo@${scale}x.png`;
  $('save').hidden = false;
}

let current = () => fetch('../examples/sample.jpg').then((response) => response.blob());
const choose = async (source) => {
  current = source;
  await show(await source());
};
$('file').addEventListener('change', () => choose(async () => $('file').files[0]));
$('sample').addEventListener('click', () =>
  choose(() => fetch('../examples/sample.jpg').then((response) => response.blob())),
);
for (const id of ['scale', 'model', 'backend']) $(id).addEventListener('change', async () => show(await current()));
$('cancel').addEventListener('click', () => {
  running?.abort();
  $('status').textContent = 'Cancelled.';
});
$('slider').addEventListener('input', () => $('compare').style.setProperty('--split', `${$('slider').value / 10}%`));
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) choose(async () => event.dataTransfer.files[0]);
});
