// deno serve -A --parallel fetch.js (a thread for each core), or bun fetch.js (a process; start one for each core: they share the port).
import { handler } from './handler.js';

export default { fetch: (request) => handler(request), port: Number(process.env.PORT ?? 8000), reusePort: true };
