// Fetches a picture from a host of the list, and from no other: every redirect is checked like the first address, and addresses of
// machines instead of names are refused, so that nobody reaches what only the server can reach.
import { HttpError, readBody } from './http.js';

/** Host names; '*.example.com' is every name below example.com. */
export type Allowed = readonly string[];

const MOST_REDIRECTS = 3;

/** @throws {HttpError} 403 not on the list, 400 no address, 502 the host did not give it */
export async function fetchAllowed(
  address: string | null,
  allow: Allowed,
  limit: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (allow.length === 0)
    throw new HttpError(405, 'MethodNotAllowed', 'Expected POST: fetching by address is off', {
      headers: { allow: 'POST, OPTIONS' },
    });
  if (!address) throw new HttpError(400, 'InvalidOption', 'Expected an address for "url"');
  let url = check(address, undefined, allow);
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(url, { redirect: 'manual', signal, headers: { accept: 'image/*' } }).catch(
      (cause: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw new HttpError(502, 'FetchFailed', `Expected a picture at ${url.href}, got ${(cause as Error).message}`);
      },
    );
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location) {
      await response.body?.cancel();
      if (redirects === MOST_REDIRECTS)
        throw new HttpError(502, 'FetchFailed', `Expected at most ${MOST_REDIRECTS} redirects`);
      url = check(location, url, allow);
      continue;
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw new HttpError(502, 'FetchFailed', `Expected a picture at ${url.href}, got status ${response.status}`);
    }
    return readBody(response, limit, signal, 502);
  }
}

function check(address: string, base: URL | undefined, allow: Allowed): URL {
  let url: URL;
  try {
    url = new URL(address, base);
  } catch {
    throw new HttpError(
      400,
      'InvalidOption',
      `Expected an address for "url", got ${JSON.stringify(address.slice(0, 200))}`,
    );
  }
  const { hostname, protocol, port, username, password } = url;
  const listed = allow.some((host) => (host.startsWith('*.') ? hostname.endsWith(host.slice(1)) : hostname === host));
  const machine = /^\[|^[\d.]+$|^localhost$|\.(localhost|local|internal|home\.arpa)$/.test(hostname); // URL has normalised 0x7f.1 and the like
  if (!listed || machine || protocol !== 'https:' || port !== '' || username || password)
    throw new HttpError(
      403,
      'NotAllowed',
      `Expected an https address on one of the allowed hosts, got ${url.protocol}//${url.host}`,
    );
  return url;
}
