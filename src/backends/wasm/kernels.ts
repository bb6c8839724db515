// The kernels of assembly/networks.ts, which has them all; smaller builds have fewer.
// Their signatures are the compiler's own (asc --bindings), so a call with other arguments does not build.
// All pointers are bytes into the memory; a kernel computes one row, or one block of rows, of one image.
import type { instantiate as generated } from '../../../dist/kernels.js';

export type Kernels = Omit<Awaited<ReturnType<typeof generated>>, 'memory'>;

/** @throws {WebAssembly.LinkError} of a module that is not one of our builds. */
export async function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<Kernels> {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return exports as unknown as Kernels;
}
