// WebKitGTK's MiniBrowser (Debian's webkit2gtk-driver) on a display of its own (xvfb), through WebDriver.
import { spawn } from 'node:child_process';
import { freePort } from './dist/free-port.js';

export const WEBKIT = '/usr/bin/WebKitWebDriver';
const BROWSER = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';
const TIMEOUT = 120_000; // ms of an expression

export interface WebKit {
  readonly version: string;
  goto(url: string): Promise<void>;
  /** The value of an expression in the page, awaited. */
  evaluate(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

interface Session {
  readonly sessionId: string;
  readonly capabilities: { readonly browserVersion: string };
}

export async function launchWebKit(): Promise<WebKit> {
  const port = await freePort();
  // detached: with what it starts it is a group, which can be ended as one
  const driver = spawn('xvfb-run', ['-a', WEBKIT, `--port=${port}`], { detached: true, stdio: 'ignore' });
  const ended = new Promise((resolve) => driver.once('exit', resolve));

  async function send<T>(method: 'POST' | 'DELETE', path: string, body?: object): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${port}/session${path}`, {
      method,
      body: body && JSON.stringify(body),
    });
    const { value } = (await response.json()) as { value: T & { message?: string } };
    if (!response.ok) throw new Error(`WebDriver: ${value.message}`);
    return value;
  }

  async function close(): Promise<void> {
    process.kill(-driver.pid!);
    await ended;
  }

  try {
    await listening(port);
    const { sessionId, capabilities } = await send<Session>('POST', '', {
      capabilities: {
        alwaysMatch: {
          timeouts: { script: TIMEOUT },
          'webkitgtk:browserOptions': { binary: BROWSER, args: ['--automation'] },
        },
      },
    });
    return {
      version: capabilities.browserVersion,
      goto: (url) => send('POST', `/${sessionId}/url`, { url }),
      async evaluate(expression) {
        const script = `
          const done = arguments[0];
          (async () => ${expression})().then((value) => done({ value }), (error) => done({ error: String(error) }));`;
        const { value, error } = await send<{ value?: unknown; error?: string }>(
          'POST',
          `/${sessionId}/execute/async`,
          {
            script,
            args: [],
          },
        );
        if (error) throw new Error(error);
        return value;
      },
      async close() {
        await send('DELETE', `/${sessionId}`);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @throws after 10 s in which nothing answered there */
async function listening(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await fetch(`http://127.0.0.1:${port}/status`);
      return;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
