// node add.js FROM TO: a job for each picture of a folder, then a line for each that is done. Started again it adds what is not there yet.
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join, parse, resolve } from 'node:path';
import { Queue, QueueEvents } from 'bullmq';
import { connection, NAME } from './queue.js';

const [from, to] = process.argv.slice(2).map((folder) => resolve(folder));
const queue = new Queue(NAME, { connection });
const listening = connection.duplicate(); // blocks
const events = new QueueEvents(NAME, { connection: listening });
await events.waitUntilReady();

const names = (await readdir(from)).filter((name) => /\.(jpe?g|png|webp|avif)$/i.test(name));
const open = new Set();
const ended = new Promise((resolve) => {
  const end = (line) => {
    return ({ jobId, ...event }) => {
      if (!open.delete(jobId)) return;
      console.log(line(event), `(${names.length - open.size}/${names.length})`);
      if (open.size === 0) resolve();
    };
  };
  events.on(
    'completed',
    end(({ returnvalue }) => `done ${returnvalue}`),
  );
  events.on(
    'failed',
    end(({ failedReason }) => `failed: ${failedReason}`),
  );
});
for (const name of names) {
  const target = join(to, `${parse(name).name}@2x.png`);
  const jobId = createHash('sha256').update(target).digest('hex'); // a picture has one job, however often it is added
  open.add(jobId);
  await queue.add(
    'picture',
    { source: join(from, name), target },
    { jobId, attempts: 3, backoff: { type: 'exponential', delay: 1000 } },
  );
  const state = await queue.getJobState(jobId);
  if (state === 'completed' || state === 'failed') open.delete(jobId);
}
if (open.size > 0) await ended;
await Promise.all([queue.close(), events.close()]);
connection.disconnect();
listening.disconnect();
