// How strongly a JPEG is compressed, as the quality of the Independent JPEG Group's encoder (1..100), from the step
// sizes of its
// quantisation. ITU-T T.81: marker segments annex B, example tables annex K; the scale is libjpeg's
// jpeg_quality_scaling.

/** Annex K's luminance table, row by row: quality 50. */
const LUMINANCE = [
  [16, 11, 10, 16, 24, 40, 51, 61],
  [12, 12, 14, 19, 26, 58, 60, 55],
  [14, 13, 16, 24, 40, 57, 69, 56],
  [14, 17, 22, 29, 51, 87, 80, 62],
  [18, 22, 37, 56, 68, 109, 103, 77],
  [24, 35, 55, 64, 81, 104, 113, 92],
  [49, 64, 78, 87, 103, 121, 120, 101],
  [72, 92, 95, 98, 112, 100, 103, 99],
].flat();

/** A step of the luminance quantisation: of the coefficient at row `index >> 3`, column `index & 7`. */
export interface QuantisationStep {
  readonly index: number;
  readonly step: number;
}

/** The quality whose steps are nearest to these; of tables that are not libjpeg's, what compares with them. */
export function qualityOfSteps(steps: readonly QuantisationStep[]): number {
  let best = { quality: 100, distance: Infinity };
  for (let quality = 1; quality <= 100; quality++) {
    const scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    let distance = 0;
    for (const { index, step } of steps) {
      const own = Math.min(255, Math.max(1, Math.floor((LUMINANCE[index] * scale + 50) / 100)));
      distance += Math.abs(Math.log(step / own));
    }
    if (distance <= best.distance) best = { quality, distance };
  }
  return best.quality;
}

/**
 * The quality a JPEG file was saved at, from its first bytes; undefined if they are no JPEG's or the table is not among
 * them.
 */
export function jpegQuality(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const tables = new Map<number, QuantisationStep[]>();
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++; // fill bytes before a marker
      continue;
    }
    const end = at + 2 + bytes[at + 2] * 256 + bytes[at + 3];
    if (end > bytes.length) return undefined;
    if (marker === 0xdb) readTables(bytes.subarray(at + 4, end), tables);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      const luma = tables.get(bytes[at + 12]); // of the first component
      return luma && qualityOfSteps(luma);
    }
    at = end;
  }
  return undefined;
}

/** A DQT segment: several tables in zigzag order, of 8 or 16 bit. */
function readTables(segment: Uint8Array, tables: Map<number, QuantisationStep[]>): void {
  for (let at = 0; at < segment.length; ) {
    const wide = segment[at] >> 4 === 1 ? 2 : 1;
    const id = segment[at] & 15;
    at++;
    if (at + 64 * wide > segment.length) return;
    const steps = ZIGZAG.map((index, i) => ({
      index,
      step: Math.max(1, wide === 2 ? segment[at + 2 * i] * 256 + segment[at + 2 * i + 1] : segment[at + i]),
    }));
    tables.set(id, steps);
    at += 64 * wide;
  }
}

/** The coefficients from low frequencies to high ones, along the diagonals. */
const ZIGZAG = Array.from({ length: 64 }, (_, index) => index).sort((a, b) => {
  const [diagonalA, diagonalB] = [(a >> 3) + (a & 7), (b >> 3) + (b & 7)];
  if (diagonalA !== diagonalB) return diagonalA - diagonalB;
  return diagonalA % 2 === 0 ? b - a : a - b;
});
