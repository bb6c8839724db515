// A server of static files on this machine, compressed as hosts do it: of the demo, and of the browser tests.
import { createReadStream, statSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { createGzip } from 'node:zlib';

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
  '.jpg': 'image/jpeg',
  '.png': 'image/png',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

/** Serves `folder` on 127.0.0.1; port 0 takes any free one. */
export async function serve(folder, port = 0) {
  const server = createServer((request, response) => {
    let file = join(folder, normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname)));
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isDirectory()) file = join(file, 'index.html');
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return response.writeHead(404).end();
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    const packed = !/^image\/(jpeg|png)/.test(type) && /\bgzip\b/.test(`${request.headers['accept-encoding']}`);
    response.writeHead(200, {
      'content-type': type,
      'cache-control': 'no-store',
      'access-control-allow-origin': '*', // frames of an opaque origin ask for it
      ...(packed && { 'content-encoding': 'gzip' }),
    });
    const body = createReadStream(file);
    (packed ? body.pipe(createGzip()) : body).pipe(response);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening'); // or it throws what 'error' brings
  const close = () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    });
  const { port: chosen } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { origin: `http://127.0.0.1:${chosen}`, close };
}
