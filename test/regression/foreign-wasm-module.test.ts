import { expect, test } from 'vitest';
import { openWasmModule } from '../../src/backends/wasm/builds.js';

test('a wasm module that is none of ours is refused with a code, not with a TypeError', async () => {
  const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  await expect(openWasmModule(empty, 'empty')).rejects.toMatchObject({
    name: 'CarafeError',
    code: 'BackendUnavailable',
  });
  const needsMore = new WebAssembly.Module(
    Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 7, 1, 1, 97, 1, 98, 0, 0), // imports a.b
  );
  await expect(openWasmModule(needsMore, 'linked')).rejects.toMatchObject({ code: 'BackendUnavailable' });
});
