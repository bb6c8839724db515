// What every app does: one default call. The test reads `result` in the page.
import { createUpscaler } from 'carafe-web';
import { picture } from './picture.js';

export async function run() {
  try {
    const upscaler = await createUpscaler();
    const { data } = await upscaler.upscale(picture());
    globalThis.result = { info: upscaler.info, data: [...data] };
    upscaler.dispose();
  } catch (error) {
    globalThis.result = { error: `${error.code}: ${error.message}` };
  }
}
