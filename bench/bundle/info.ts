// What machine and what adapter this is: everything that its owner would be asked later.
import { execFileSync } from 'node:child_process';
import { openGpu } from './gpu.js';
import { describeAdapter, isSoftwareAdapter } from './inside.js';
import type { Part } from './parts.js';

export const info: Part = {
  name: 'info',
  limit: 30,
  untimed: true,
  async run({ put, fail }) {
    const adapter = await (await openGpu()).requestAdapter({ powerPreference: 'high-performance' });
    put('machine', { what: 'driver file', value: process.env.VK_DRIVER_FILES ?? 'found by the loader' });
    put('machine', {
      what: 'nvidia-smi',
      value: output('nvidia-smi', [
        '--query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,utilization.gpu,memory.used',
        '--format=csv,noheader',
      ]),
    });
    if (!adapter) return fail('Dawn found no adapter');
    const properties = <T extends object>(object: T): Record<string, unknown> => {
      const found: Record<string, unknown> = {};
      for (const key in object) if (typeof object[key] !== 'function') found[key] = object[key];
      return found;
    };
    put('adapter', { what: 'info', value: properties(adapter.info) });
    put('adapter', { what: 'features', value: [...adapter.features].sort() });
    put('adapter', { what: 'limits', value: properties(adapter.limits) });
  },
};

/** One line, for run.sh, which looks for a driver. */
export async function printAdapter(): Promise<void> {
  const adapter = await (await openGpu()).requestAdapter({ powerPreference: 'high-performance' });
  const found = adapter && {
    software: isSoftwareAdapter(adapter.info),
    name: `${adapter.info.vendor} ${describeAdapter(adapter.info)}`,
  };
  console.log(JSON.stringify(found));
  process.exit(0);
}

function output(command: string, args: string[]): string {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    }).trim();
  } catch (error) {
    return `none: ${(error as Error).message.split('\n')[0]}`;
  }
}
