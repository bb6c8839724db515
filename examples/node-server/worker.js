// A thread of server.js: a request and its answer as plain data, bodies as streams.
import { handler } from './handler.js';

export default async ({ url, method, headers, body }) => {
  const response = await handler(new Request(url, { method, headers, body, duplex: 'half' }));
  return { status: response.status, headers: [...response.headers], body: await response.arrayBuffer() };
};
