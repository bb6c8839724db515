// The sample pictures: a photograph, a part of it as a JPEG of low quality, and two that are drawn here: text in the
// machine's own fonts, and a logo on nothing.
import { byId, context2d } from './dom.js';
import { thumbnailOf } from './picture.js';

export interface Sample {
  readonly label: string;
  readonly load: () => Promise<File>;
}

let photograph: Promise<Blob> | undefined;

function photo(): Promise<Blob> {
  photograph ??= fetch('samples/cat.jpg').then((response) => {
    if (!response.ok) throw new TypeError(`${response.status} of ${response.url}`);
    return response.blob();
  });
  photograph.catch(() => (photograph = undefined)); // the next try may be online
  return photograph;
}

export const SAMPLES: readonly Sample[] = [
  { label: 'Photo', load: named('cat.jpg', photo) },
  { label: 'JPEG', load: named('cat-quality-40.jpg', compressed) },
  { label: 'Text', load: named('text.png', () => drawn(360, 250, drawText)) },
  { label: 'Logo', load: named('logo.png', () => drawn(200, 200, drawLogo)) },
];

const [WIDTH, HEIGHT] = [104, 78]; // of a thumbnail

/** A button for each. @param open gets its place in SAMPLES */
export function addSamples(open: (index: number) => void): void {
  byId('samples').append(
    ...SAMPLES.map(({ label }, i) => {
      const button = Object.assign(document.createElement('button'), { type: 'button' });
      button.append(Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT }), label);
      button.addEventListener('click', () => open(i));
      return button;
    }),
  );
}

/** After the first result: they are small, but it is first. */
export async function drawSamples(): Promise<void> {
  for (const [i, { load }] of SAMPLES.entries()) {
    const bitmap = await load().then(createImageBitmap, () => undefined);
    if (!bitmap) continue;
    const canvas = byId('samples').children[i].querySelector('canvas')!;
    canvas.replaceWith(thumbnailOf(bitmap, WIDTH, HEIGHT));
    bitmap.close();
  }
}

/** The one that is open, if one is. */
export function markSample(index: number | undefined): void {
  for (const [i, button] of [...byId('samples').children].entries())
    button.setAttribute('aria-pressed', `${i === index}`);
}

function named(name: string, load: () => Promise<Blob>): () => Promise<File> {
  return async () => {
    const blob = await load();
    return new File([blob], name, { type: blob.type });
  };
}

type Context = OffscreenCanvasRenderingContext2D;

async function compressed(): Promise<Blob> {
  const bitmap = await createImageBitmap(await photo(), 40, 30, 380, 230);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  context2d(canvas).drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.4 });
}

function drawn(width: number, height: number, draw: (context: Context) => void): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  draw(context2d(canvas));
  return canvas.convertToBlob();
}

function drawText(context: Context): void {
  context.fillStyle = '#fff';
  context.fillRect(0, 0, 360, 250);
  const write = (text: string, x: number, y: number, font: string, colour = '#1b1b1f'): void => {
    context.font = font;
    context.fillStyle = colour;
    context.fillText(text, x, y, 348 - x); // narrower in a wide font
  };
  write('Reassembly', 18, 40, '600 26px Georgia, serif');
  const lines = [
    'Every output pixel is a weighted sum of source pixels.',
    'Bicubic takes the same weights everywhere; CARAFE',
    'predicts them from what is around, so that an edge is',
    'made of pixels on its own side only.',
  ];
  for (const [i, line] of lines.entries()) write(line, 18, 66 + 17 * i, '12px system-ui, sans-serif');
  write('arxiv.org/abs/1905.02188', 18, 142, '12px system-ui, sans-serif', '#0b57d0');
  write('warning: 3 of 40 files failed', 186, 142, '600 12px system-ui, sans-serif', '#c5221f');
  context.fillStyle = '#17171a';
  context.fillRect(0, 160, 360, 90);
  write("import { upscale } from 'carafe-web';", 18, 183, '12px ui-monospace, monospace', '#ffb066');
  write('const big = await upscale(image, {', 18, 202, '12px ui-monospace, monospace', '#e8e6e3');
  write("  scale: 2, model: 'base'", 18, 219, '12px ui-monospace, monospace', '#8ed1a5');
  write('}); // 8 px: 720 x 500', 18, 236, '12px ui-monospace, monospace', '#aaa8b0');
}

function drawLogo(context: Context): void {
  context.translate(100, 100);
  const petals = ['#ff8c1a', '#e4572e', '#7b2d8b', '#2660a4', '#1f9e89', '#b5c334'];
  for (const [i, colour] of petals.entries()) {
    context.save();
    context.rotate((i * Math.PI) / 3);
    context.beginPath();
    context.moveTo(0, -12);
    context.bezierCurveTo(42, -34, 34, -84, 0, -92);
    context.bezierCurveTo(-34, -84, -42, -34, 0, -12);
    context.fillStyle = colour;
    context.globalAlpha = 0.88;
    context.fill();
    context.restore();
  }
  context.beginPath();
  context.arc(0, 0, 17, 0, 7);
  context.fillStyle = '#17171a';
  context.fill();
  context.lineWidth = 2.5;
  context.strokeStyle = '#fff';
  context.stroke();
}
