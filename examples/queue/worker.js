// node worker.js: takes pictures from the queue, one at a time. Start one for each core, on as many machines as there are; any may be killed:
// its picture is given to another after LOCK ms. For buckets, read and write here.
import { rename, rm } from 'node:fs/promises';
import { Worker } from 'bullmq';
import { createUpscaler } from 'carafe-web';
import sharp from 'sharp';
import { connection, NAME } from './queue.js';

const LOCK = Number(process.env.LOCK ?? 30_000);
const upscaler = await createUpscaler({ backend: 'wasm', workers: 1 });

async function enlarge(job) {
  const { source, target } = job.data;
  const image = sharp(source).rotate().ensureAlpha().raw();
  const { data, info } = await image.toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const big = await upscaler.upscale(
    { data, width, height },
    { onProgress: ({ done, total }) => job.updateProgress(Math.round((100 * done) / total)).catch(() => {}) },
  );
  const raw = { width: big.width, height: big.height, channels: 4 };
  const part = `${target}.${process.pid}.part`;
  try {
    await sharp(big.data, { raw }).png().toFile(part);
    await rename(part, target); // whole, or not at all
  } finally {
    await rm(part, { force: true });
  }
  return target;
}

const worker = new Worker(NAME, enlarge, {
  connection,
  concurrency: 1,
  lockDuration: LOCK,
  stalledInterval: LOCK / 2,
  maxStalledCount: 3,
});
worker.on('failed', (job, error) => console.error(`${job?.data.source}: ${error.message}`));
process.once('SIGTERM', async () => {
  await worker.close(); // the picture that is under way is finished
  upscaler.dispose();
  connection.disconnect();
});
console.log('ready');
