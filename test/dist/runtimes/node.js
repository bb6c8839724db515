// Node, Deno and Bun. In Node WebGPU is the npm package `webgpu`.
import { createUpscaler } from 'carafe-web';
import { attempts } from './attempts.js';

let gpu; // a device does not keep it alive

async function openDevice() {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  gpu = create([]);
  return (await gpu.requestAdapter()).requestDevice();
}

const other = globalThis.Deno?.version.deno ?? globalThis.Bun?.version;
const device = other ? undefined : await openDevice();
const answers = await attempts(createUpscaler, device && { webgpu: { device } });
console.log(JSON.stringify({ version: other ?? process.versions.node, answers }));
device?.destroy();
