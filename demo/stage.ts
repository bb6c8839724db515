// The stage: one picture on a canvas of device pixels, each side of the divider drawn from its own source.
// Positions are in device pixels; `zoom` is device pixels per pixel of the enlargement.
import { context2d } from './dom.js';

/** What is drawn on one side: stretched to the size of the enlargement. `crisp`: as whole pixels, however large. */
export interface Side {
  readonly source: CanvasImageSource;
  readonly crisp: boolean;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

const LARGEST = 64; // device pixels for one of the enlargement
const SMALLEST = 1 / 64;
const SQUARE = 8; // CSS pixels of the checkerboard
const APART = 150; // ms between paints of what is still being made: without a GPU one takes as long as a tile

export class Stage {
  /** Share of the width that the left side has. */
  split = 0.5;
  left: Side | undefined;
  right: Side | undefined;
  /** Drawn last, in device pixels. */
  overlay: ((context: CanvasRenderingContext2D) => void) | undefined;
  /** CSS pixels at the bottom that something covers: the picture is centred above. */
  covered = 0;
  onchange = (): void => {};

  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  #width = 0;
  #height = 0;
  #zoom = 1;
  #centre: Point = { x: 0.5, y: 0.5 }; // of the picture, in its width and height
  #fitted = true;
  #frame = 0;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #painted = 0;
  #board: CanvasPattern | null = null;
  #boardRatio = 0;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = context2d(canvas);
    const resized = ([{ contentBoxSize, devicePixelContentBoxSize }]: ResizeObserverEntry[]): void => {
      const [{ inlineSize, blockSize }] = contentBoxSize;
      // The box in device pixels is right to the pixel; Safari has none, and emulators say CSS pixels.
      const box = devicePixelContentBoxSize?.[0];
      const near = box && Math.abs(box.inlineSize - inlineSize * devicePixelRatio) < 2;
      canvas.width = near ? box.inlineSize : Math.round(inlineSize * devicePixelRatio);
      canvas.height = near ? box.blockSize : Math.round(blockSize * devicePixelRatio);
      this.#changed();
      this.#paint(); // at once: a canvas that is resized is empty
    };
    const observer = new ResizeObserver(resized);
    try {
      observer.observe(canvas, { box: 'device-pixel-content-box' });
    } catch {
      observer.observe(canvas);
    }
  }

  get zoom(): number {
    return this.#zoom;
  }

  get fitted(): boolean {
    return this.#fitted;
  }

  /** Size of the enlargement; 0 if there is none. The view stays on the same part of the picture. */
  resize(width: number, height: number): void {
    if (this.#width > 0 && width > 0) this.#zoom *= this.#width / width;
    [this.#width, this.#height] = [width, height];
    this.#changed();
  }

  clear(): void {
    this.left = this.right = undefined;
    this.resize(0, 0);
    this.fit();
  }

  fit(): void {
    this.#fitted = true;
    this.#centre = { x: 0.5, y: 0.5 };
    this.#changed();
  }

  /** @param at the point of the canvas that stays where it is; default: the middle */
  zoomTo(zoom: number, at: Point = this.#middle()): void {
    if (this.#width === 0) return;
    const before = this.toPicture(at);
    this.#fitted = false;
    this.#zoom = Math.min(Math.max(zoom, SMALLEST), LARGEST);
    const after = this.toPicture(at);
    this.#moveCentre((before.x - after.x) / this.#width, (before.y - after.y) / this.#height);
  }

  /** By device pixels. */
  pan(dx: number, dy: number): void {
    if (this.#width === 0) return;
    this.#fitted = false;
    this.#moveCentre(-dx / this.#zoom / this.#width, -dy / this.#zoom / this.#height);
  }

  /** From device pixels of the canvas to pixels of the enlargement. */
  toPicture({ x, y }: Point): Point {
    const { left, top } = this.#place();
    return { x: (x - left) / this.#zoom, y: (y - top) / this.#zoom };
  }

  fromPicture({ x, y }: Point): Point {
    const { left, top } = this.#place();
    return { x: left + x * this.#zoom, y: top + y * this.#zoom };
  }

  /** Brings a point of the enlargement into view. */
  reveal(point: Point): void {
    const { x, y } = this.fromPicture(point);
    const margin = 48 * devicePixelRatio;
    const over = (value: number, size: number): number =>
      value < margin ? margin - value : value > size - margin ? size - margin - value : 0;
    const [dx, dy] = [over(x, this.#canvas.width), over(y, this.#visibleHeight())];
    if (dx !== 0 || dy !== 0) this.pan(dx, dy);
  }

  draw(): void {
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  /** With what else comes within APART of the last time. */
  drawSoon(): void {
    this.#soon ??= setTimeout(() => this.draw(), this.#painted + APART - performance.now());
  }

  #moveCentre(dx: number, dy: number): void {
    const within = (value: number): number => Math.min(Math.max(value, 0), 1);
    this.#centre = { x: within(this.#centre.x + dx), y: within(this.#centre.y + dy) };
    this.#changed();
  }

  #changed(): void {
    if (this.#fitted && this.#width > 0)
      this.#zoom = Math.min(this.#canvas.width / this.#width, this.#visibleHeight() / this.#height, LARGEST);
    this.draw();
    this.onchange();
  }

  #visibleHeight(): number {
    return Math.max(1, this.#canvas.height - this.covered * devicePixelRatio);
  }

  #middle(): Point {
    return { x: this.#canvas.width / 2, y: this.#visibleHeight() / 2 };
  }

  /** Left upper corner of the picture: on whole device pixels, so that its pixels are too. */
  #place(): { left: number; top: number } {
    const { x, y } = this.#middle();
    return {
      left: Math.round(x - this.#centre.x * this.#width * this.#zoom),
      top: Math.round(y - this.#centre.y * this.#height * this.#zoom),
    };
  }

  #paint(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#soon);
    this.#frame = 0;
    this.#soon = undefined;
    this.#painted = performance.now();
    const { width, height } = this.#canvas;
    this.#context.clearRect(0, 0, width, height);
    if (this.#width === 0) return;
    const middle = Math.round(this.split * width);
    this.#paintSide(this.left, 0, middle);
    this.#paintSide(this.right, middle, width);
    this.overlay?.(this.#context);
  }

  #paintSide(side: Side | undefined, from: number, to: number): void {
    const context = this.#context;
    const { left, top } = this.#place();
    const [width, height] = [this.#width * this.#zoom, this.#height * this.#zoom];
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, this.#canvas.height);
    context.clip();
    context.fillStyle = this.#checkerboard() ?? '#888';
    context.fillRect(left, top, width, height);
    if (side) {
      // Between whole zooms equal pixels would come out unequal, which shows until they are large.
      const uneven = this.#zoom < 1 || (this.#zoom < 4 && !Number.isInteger(this.#zoom));
      context.imageSmoothingEnabled = uneven && !(side.crisp && this.#zoom >= 1);
      context.imageSmoothingQuality = 'high';
      context.drawImage(side.source, left, top, width, height);
    }
    context.restore();
  }

  #checkerboard(): CanvasPattern | null {
    if (this.#boardRatio === devicePixelRatio) return this.#board;
    this.#boardRatio = devicePixelRatio;
    const side = Math.round(SQUARE * devicePixelRatio);
    const board = new OffscreenCanvas(2 * side, 2 * side);
    const context = context2d(board);
    context.fillStyle = '#fff';
    context.fillRect(0, 0, 2 * side, 2 * side);
    context.fillStyle = '#c9c9cf';
    context.fillRect(0, 0, side, side);
    context.fillRect(side, side, side, side);
    this.#board = this.#context.createPattern(board, 'repeat');
    return this.#board;
  }
}
