// What every runtime does with the package: enlarges one small picture in each way. Everything here is JSON.
import { picture } from './picture.js';

const WAYS = {
  worker: { backend: 'wasm', thread: 'worker' },
  inline: { backend: 'wasm', thread: 'inline' },
  webgpu: { backend: 'webgpu' },
  auto: {},
};

/**
 * What came of each way, with the options that this place needs for it. Nothing is disposed of: a program has to end
 * all the same.
 */
export async function attempts(createUpscaler, needed = {}) {
  const answers = {};
  for (const [way, options] of Object.entries(WAYS)) {
    try {
      const upscaler = await createUpscaler({ ...options, ...needed[way] });
      const { data } = await upscaler.upscale(picture());
      const { backend, thread, threadReason, details, rejected } = upscaler.info;
      answers[way] = { backend, thread, threadReason, details, rejected, data: [...data] };
    } catch ({ code, message }) {
      answers[way] = { code, message };
    }
  }
  return answers;
}
