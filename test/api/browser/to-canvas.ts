// In a page: toCanvas() and frames() beside upscale(), on a backend. Called by to-canvas.test.ts.
import { createUpscaler, type RawImage } from '../../../src/core.js';
import tiny from '../../../models/tiny-x2.safetensors';

export interface Outcome {
  /** Of values of RGB, between the canvas and what upscale() makes of the same picture on wasm. */
  readonly worst: number;
  readonly size: readonly [width: number, height: number];
  /** Of the frames that came out of the stream. */
  readonly timestamps: readonly number[];
  readonly frameSizes: readonly string[];
  /** Frames that had gone in when the first was read, of 5 on offer. */
  readonly ahead: number;
  readonly again: string;
}

declare global {
  interface Window {
    paint(backend: 'wasm' | 'webgpu', width: number, height: number): Promise<Outcome>;
    /** The codes of what is refused, and display-p3's colour (200, 60, 40) as a new canvas has it, read in display-p3. */
    oddities(backend: 'wasm' | 'webgpu'): Promise<{ codes: Record<string, string>; red: number[] }>;
  }
}

function picture(width: number, height: number): ImageData {
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    image.data.set([(x * 7 + y * 3) % 256, x % 9 < 4 ? 220 : 30, (y * 11) % 256, 255], 4 * i);
  }
  return image;
}

window.paint = async (backend, width, height) => {
  const image = picture(width, height);
  const plain = await createUpscaler({ model: tiny, backend: 'wasm', thread: 'inline', restore: 0 });
  const upscaler = await createUpscaler({ model: tiny, backend, thread: 'inline', restore: 0 });
  const want: RawImage = await plain.upscale(image);
  const canvas = document.createElement('canvas');
  const source = await createImageBitmap(image);
  await upscaler.toCanvas(source, canvas);
  await upscaler.toCanvas(image, canvas); // pixels as well
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d')!;
  copy.drawImage(canvas, 0, 0);
  const got = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  const worst = got.reduce((max, value, i) => Math.max(max, Math.abs(value - want.data[i])), 0);

  let offered = 0;
  const frames = new ReadableStream<VideoFrame>(
    {
      pull(controller) {
        if (offered === 5) return controller.close();
        controller.enqueue(new VideoFrame(source, { timestamp: 1000 * offered++ }));
      },
    },
    { highWaterMark: 0 },
  );
  const reader = frames.pipeThrough(await upscaler.frames()).getReader();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const ahead = offered;
  const timestamps: number[] = [];
  const frameSizes: string[] = [];
  for (;;) {
    const { done, value: frame } = await reader.read();
    if (done) break;
    timestamps.push(frame.timestamp);
    frameSizes.push(`${frame.displayWidth}x${frame.displayHeight}`);
    frame.close();
  }
  const taken = document.createElement('canvas');
  taken.getContext('bitmaprenderer');
  const again = await upscaler.toCanvas(image, taken).then(
    () => 'drawn',
    (error) => error.code,
  );
  upscaler.dispose();
  plain.dispose();
  return { worst, size: [canvas.width, canvas.height], timestamps, frameSizes, ahead, again };
};

window.oddities = async (backend) => {
  const upscaler = await createUpscaler({ model: tiny, backend, thread: 'inline', restore: 0 });
  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'none',
      ({ code, message }) => code ?? message,
    );
  const image = picture(8, 8);
  const wide = { data: new Uint8ClampedArray(4 * 40_000), width: 40_000, height: 1 }; // no canvas is 80,000 wide
  const moved = document.createElement('canvas');
  moved.transferControlToOffscreen();
  const { readable, writable } = await upscaler.frames();
  const writer = writable.getWriter();
  void writer.write(null).catch(() => {});
  const codes = {
    'no canvas': await codeOf(upscaler.toCanvas(image, undefined as never)),
    'a selector': await codeOf(upscaler.toCanvas(image, '#canvas' as never)),
    'a canvas that has moved': await codeOf(upscaler.toCanvas(image, moved)),
    'a result wider than canvases': await codeOf(upscaler.toCanvas(wide, document.createElement('canvas'))),
    'a frame that is none': await codeOf(readable.getReader().read()),
    'frames of wrong options': await codeOf(upscaler.frames({ restore: 7 })),
  };
  const inP3 = new ImageData(8, 8, { colorSpace: 'display-p3' });
  for (let i = 0; i < 64; i++) inP3.data.set([200, 60, 40, 255], 4 * i);
  const canvas = document.createElement('canvas');
  await upscaler.toCanvas(inP3, canvas);
  const copy = new OffscreenCanvas(16, 16).getContext('2d', { colorSpace: 'display-p3' })!;
  copy.drawImage(canvas, 0, 0);
  upscaler.dispose();
  return {
    codes: { ...codes, 'frames after dispose': await codeOf(upscaler.frames()) },
    red: [...copy.getImageData(8, 8, 1, 1).data],
  };
};
