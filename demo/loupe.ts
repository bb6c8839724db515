// The loupe: which source pixels made the output pixel under the pointer, and with which weights, beside bicubic's; and
// the kernels of each group that the network chose there. By pointer, touch or arrow keys.
import type { PixelExplanation } from 'carafe-web';
import { byId, context2d } from './dom.js';
import type { Point, Stage } from './stage.js';

const SIDE = 15; // source pixels
const CELL = 18; // canvas pixels of one
const START = 0.7; // of the width: on the side that the network made, beside the grip
const POSITIVE = [255, 140, 26] as const;
const NEGATIVE = [64, 156, 255] as const;

export interface LoupeSource {
  readonly scale: number;
  /** Size of the enlargement. */
  readonly width: number;
  readonly height: number;
  readonly explain: (x: number, y: number) => Promise<PixelExplanation>;
}

export class Loupe {
  readonly #source: () => LoupeSource | undefined;
  readonly #stage: Stage;
  readonly #toggle = byId('loupe');
  #point: Point = { x: 0, y: 0 }; // a pixel of the enlargement
  #busy = false;
  #shown: string | undefined; // the point that is explained
  #found = false;
  #failure = '';

  /** @param source undefined while there is nothing to look at */
  constructor(view: HTMLElement, stage: Stage, source: () => LoupeSource | undefined) {
    [this.#stage, this.#source] = [stage, source];
    const look = (event: PointerEvent): void => {
      if (!this.on || (event.type === 'pointermove' && event.buttons !== 0)) return; // a drag moves the picture
      const { left, top } = view.getBoundingClientRect();
      const at = { x: (event.clientX - left) * devicePixelRatio, y: (event.clientY - top) * devicePixelRatio };
      this.moveTo(stage.toPicture(at));
    };
    view.addEventListener('pointermove', look);
    view.addEventListener('pointerup', look);
    const move = (event: KeyboardEvent): void => {
      if (!this.on || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = event.shiftKey ? 10 : 1;
      const steps: Record<string, [number, number]> = {
        ArrowLeft: [-step, 0],
        ArrowRight: [step, 0],
        ArrowUp: [0, -step],
        ArrowDown: [0, step],
      };
      if (!Object.hasOwn(steps, event.key)) return;
      event.preventDefault(); // the picture stays
      const [dx, dy] = steps[event.key];
      this.moveTo({ x: this.#point.x + dx, y: this.#point.y + dy });
      stage.reveal(this.#point);
    };
    view.addEventListener('keydown', move, { capture: true }); // before the stage's own arrow keys
  }

  get on(): boolean {
    return this.#toggle.getAttribute('aria-pressed') === 'true';
  }

  turn(on: boolean): void {
    this.#toggle.setAttribute('aria-pressed', `${on}`);
    const kernels = byId('kernels');
    kernels.hidden = !on;
    document.body.toggleAttribute('data-loupe', on);
    this.#stage.overlay = on ? (context) => this.#drawMark(context) : undefined;
    const source = this.#source();
    if (on && source) this.moveTo(this.#shown ? this.#point : { x: source.width * START, y: source.height / 2 });
    this.#stage.draw();
  }

  /** Something else is on the stage. */
  refresh(): void {
    this.#shown = undefined;
    if (this.on) this.moveTo(this.#point);
  }

  moveTo({ x, y }: Point): void {
    const source = this.#source();
    if (!source) return;
    const within = (value: number, size: number): number => Math.min(Math.max(Math.floor(value), 0), size - 1);
    this.#point = { x: within(x, source.width), y: within(y, source.height) };
    this.#stage.draw();
    void this.#explain();
  }

  /** The newest point; those in between are left out. */
  async #explain(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (;;) {
        const source = this.#source();
        const { x, y } = this.#point;
        const key = source && [x, y, source.scale].join();
        if (!source || !this.on || key === this.#shown) return;
        this.#shown = key;
        try {
          this.#show(await source.explain(x, y), x, y, source.scale);
          if (!this.#found) byId('kernels').scrollIntoView({ block: 'end' }); // now that it has its height
          this.#found = true;
          this.#failure = '';
        } catch (error) {
          this.#failure = (error as Error).message; // offline for the first time, or the upscaler has gone
          byId('loupe-text').textContent = this.#failure;
        }
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    } finally {
      this.#busy = false;
    }
  }

  #show(explanation: PixelExplanation, x: number, y: number, scale: number): void {
    const centre = { x: Math.floor(x / scale), y: Math.floor(y / scale) };
    drawWindow(byId<HTMLCanvasElement>('weights-network'), explanation, explanation.weights, centre);
    drawWindow(byId<HTMLCanvasElement>('weights-bicubic'), explanation, explanation.bicubic, centre);
    const { kernels, kUp, value, weights, bicubic } = explanation;
    const place = byId('groups');
    while (place.children.length > kernels.length) place.lastElementChild!.remove();
    while (place.children.length < kernels.length) {
      const canvas = Object.assign(document.createElement('canvas'), { width: 3 * CELL, height: 3 * CELL });
      canvas.className = 'kernel';
      canvas.setAttribute('role', 'img');
      place.append(canvas);
    }
    const heaviest = Math.max(...kernels.map((kernel) => Math.max(...kernel)));
    for (const [i, kernel] of kernels.entries()) {
      const canvas = place.children[i] as HTMLCanvasElement;
      drawKernel(canvas, kernel, kUp, heaviest);
      canvas.setAttribute('aria-label', `Kernel of group ${i + 1}: ${[...kernel].map((w) => w.toFixed(2)).join(', ')}`);
    }
    const count = (values: Float32Array): number => values.filter((w) => Math.abs(w) > 1e-4).length;
    byId('loupe-text').textContent =
      `Pixel ${x}, ${y}: luma ${Math.round(Math.min(Math.max(value, 0), 1) * 255)}, of ${count(weights)} source pixels; bicubic takes ${count(bicubic)}.`;
  }

  #drawMark(context: CanvasRenderingContext2D): void {
    const source = this.#source();
    if (!source) return;
    const { scale } = source;
    const { x, y } = this.#point;
    const first = { x: Math.floor(x / scale) - (SIDE - 1) / 2, y: Math.floor(y / scale) - (SIDE - 1) / 2 };
    const frame = this.#stage.fromPicture({ x: first.x * scale, y: first.y * scale });
    const pixel = this.#stage.fromPicture({ x, y });
    const { zoom } = this.#stage;
    for (const [colour, width] of [
      ['rgb(0 0 0 / 70%)', 4],
      ['#ff8c1a', 2],
    ] as const) {
      context.strokeStyle = colour;
      context.lineWidth = width * devicePixelRatio;
      context.strokeRect(frame.x, frame.y, SIDE * scale * zoom, SIDE * scale * zoom);
      context.strokeRect(pixel.x, pixel.y, zoom, zoom);
    }
  }
}

/** The source's luma in grey, weights over it: orange adds, blue takes away, full colour is the heaviest. */
function drawWindow(
  canvas: HTMLCanvasElement,
  { x, y, width, height, luma }: PixelExplanation,
  weights: Float32Array,
  centre: Point,
): void {
  canvas.width = canvas.height = SIDE * CELL;
  const context = context2d(canvas);
  const heaviest = weights.reduce((max, w) => Math.max(max, Math.abs(w)), 0) || 1;
  const r = (SIDE - 1) / 2;
  for (let j = 0; j < SIDE; j++) {
    for (let i = 0; i < SIDE; i++) {
      const [px, py] = [centre.x - r + i - x, centre.y - r + j - y];
      if (px < 0 || py < 0 || px >= width || py >= height) continue; // outside the picture
      const at = py * width + px;
      drawCell(context, i, j, luma[at] * 255, weights[at] / heaviest);
    }
  }
  context.strokeStyle = '#fff';
  context.lineWidth = 2;
  context.strokeRect(r * CELL + 1, r * CELL + 1, CELL - 2, CELL - 2);
}

function drawKernel(canvas: HTMLCanvasElement, kernel: Float32Array, kUp: number, heaviest: number): void {
  canvas.width = canvas.height = kUp * CELL;
  const context = context2d(canvas);
  for (const [tap, weight] of kernel.entries())
    drawCell(context, tap % kUp, Math.floor(tap / kUp), 38, (weight / heaviest) ** 2);
}

/** @param weight -1..1 */
function drawCell(context: CanvasRenderingContext2D, i: number, j: number, grey: number, weight: number): void {
  context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
  context.fillRect(i * CELL, j * CELL, CELL - 1, CELL - 1);
  const strength = Math.sqrt(Math.abs(weight)); // so that small ones are seen
  if (strength < 0.04) return;
  context.fillStyle = `rgb(${(weight > 0 ? POSITIVE : NEGATIVE).join(' ')} / ${Math.round(strength * 100)}%)`;
  context.fillRect(i * CELL, j * CELL, CELL - 1, CELL - 1);
}
