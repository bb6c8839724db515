// carafe-web backends: what runs here, and why not the others.
import { parseArgs } from 'node:util';
import { listBackends } from '../index.js';

export const USAGE = `Usage: carafe-web backends [--json]
Which backends run on this machine, and why the others do not.`;

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) return console.log(USAGE);
  const backends = await listBackends();
  if (values.json) return console.log(JSON.stringify(backends));
  for (const { name, available, reason, details } of backends)
    console.log(`${name.padEnd(10)} ${available ? `yes  ${details}` : `no   ${reason}`}`);
}
