// A thread of server.js: a request and its answer as plain data, bodies as streams.
import { handler } from './handler.js';

export default async ({ url, method, headers, body, client }) => {
  const gone = new AbortController();
  client.once('close', () => gone.abort());
  let request;
  try {
    // the path is all that the handler reads of an address
    request = new Request(new URL(url, 'http://localhost'), {
      method,
      headers,
      body,
      signal: gone.signal,
      duplex: 'half',
    });
  } catch {
    return { status: 400, headers: [], body: new ArrayBuffer(0) }; // no address, or a method that is none of a browser's
  }
  const response = await handler(request);
  return { status: response.status, headers: [...response.headers], body: await response.arrayBuffer() };
};
