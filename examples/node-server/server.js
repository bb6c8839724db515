// node server.js: http here, pictures in a worker thread for each core.
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import Piscina from 'piscina';

const threads = Number(process.env.THREADS ?? availableParallelism());
const pool = new Piscina({
  filename: new URL('./worker.js', import.meta.url).href,
  minThreads: threads,
  maxThreads: threads,
  concurrentTasksPerWorker: 64, // the handler in the thread says how many are too many: 429
});

const server = createServer(async (incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const body = method === 'POST' ? Readable.toWeb(incoming) : null;
  const { port1: connection, port2: client } = new MessageChannel(); // closes in the thread too, which then stops
  outgoing.once('close', () => connection.close());
  try {
    const answer = await pool.run(
      { url, method, headers, body, client },
      { transferList: body ? [body, client] : [client] },
    );
    const bytes = Buffer.from(answer.body);
    outgoing.writeHead(answer.status, answer.headers.flat()).end(bytes);
  } catch (error) {
    if (outgoing.destroyed) return; // nobody is there to be answered
    console.error(error);
    outgoing.writeHead(500).end();
  }
});
server.listen(Number(process.env.PORT ?? 8000), () => console.log(`listening on port ${server.address().port}`));
process.once('SIGTERM', () => server.close(() => pool.destroy()));
