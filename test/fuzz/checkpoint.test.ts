// Hostile checkpoints: a typed error that names what is wrong, nothing executed, and no memory that the file does not
// account for.
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { type Zippable, unzipSync, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { CarafeError } from '../../src/core/errors.js';
import { findCarafeLayers, foldConv } from '../../src/models/carafe-layers.js';
import { readCheckpoint } from '../../src/models/checkpoint.js';
import { toFloat32 } from '../../src/models/stored-tensor.js';

const seed = Number(process.env.FC_SEED ?? 20260);
const valid = new Uint8Array(readFileSync(new URL('../golden/checkpoints/mmcv.pth', import.meta.url)));
const entries = unzipSync(valid);
const pickleName = Object.keys(entries).find((name) => name.endsWith('data.pkl'))!;
const storageName = Object.keys(entries).find((name) => name.endsWith('data/0'))!;

const uncompressed: Zippable = Object.fromEntries(
  Object.entries(entries).map(([name, bytes]) => [name, [bytes, { level: 0 }]]),
);
const stored = (files: Zippable): Uint8Array => zipSync(files, { level: 0 });
const withPickle = (pickle: Uint8Array): Uint8Array => stored({ ...entries, [pickleName]: pickle });
const text = (...lines: string[]): Uint8Array => new TextEncoder().encode(lines.join('\n'));
const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));

/** Everything that is done with a checkpoint: all tensors read, every layer found and folded. */
function use(bytes: Uint8Array): void {
  const { tensors } = readCheckpoint(bytes);
  for (const [name, tensor] of tensors) {
    if (/F/.test(tensor.dtype)) toFloat32(name, tensor);
    else tensor.read();
  }
  for (const { stages, eps } of findCarafeLayers(tensors).layers) {
    for (const stage of Object.values(stages)) if (stage) foldConv(tensors, stage, eps);
  }
}

function failure(bytes: Uint8Array): CarafeError {
  try {
    use(bytes);
  } catch (error) {
    if (!(error instanceof CarafeError)) throw error;
    return error;
  }
  throw new Error('expected an error');
}

describe('hostile checkpoints', () => {
  const tar = new Uint8Array(1024);
  tar.set(new TextEncoder().encode('ustar'), 257);
  const hostile: Record<string, [bytes: Uint8Array, message: RegExp]> = {
    'a pickle that calls os.system': [
      // pickle.dumps({'a': X()}, 2), X.__reduce__ = (os.system, ('touch /tmp/pwned',))
      withPickle(
        hex(
          '80027d71005801000000617101636e740a73797374656d0a710258100000' +
            '00746f756368202f746d702f70776e65647103857104527105732e',
        ),
      ),
      /"data.pkl", got "an import of nt.system"/,
    ],
    'a pickle that imports builtins.eval': [
      withPickle(text('cbuiltins', 'eval', "(S'1'", 'tR.')),
      /an import of builtins.eval/,
    ],
    'a pickled model': [withPickle(text('cmodels.yolo', 'Model', ')\x81.')), /model.state_dict\(\).*models.yolo.Model/],
    'a pickle of a number': [withPickle(text('I1', '.')), /a dictionary of tensors/],
    'dictionaries that hold each other': [
      withPickle(hex('80027d710028580500000' + '06d6f64656c' + '6800752e')),
      /at any depth/,
    ],
    'a pickle of a text called on itself': [withPickle(text("S'x'", '(tR.')), /a pickle as torch.save writes it/],
    'a pickle that pops an empty stack': [withPickle(text('00000.')), /"data.pkl"/],
    'a pickle without an end': [withPickle(hex('80027d7100')), /a pickle as torch.save writes it/],
    'an empty pickle': [withPickle(new Uint8Array(0)), /"data.pkl"/],
    'a dictionary without tensors': [
      withPickle(hex('80027d710028580100000061' + '7101' + '4b01752e')),
      /a dictionary of tensors, at any depth/,
    ],
    'a zip without a pickle': [stored({ 'a/b': new Uint8Array(3) }), /a zip with a data.pkl/],
    'a zip bomb': [
      zipSync({ ...uncompressed, 'mmcv/data/9': [new Uint8Array(50_000_000), { level: 9 }] }),
      /"mmcv\/data\/9", got "a compressed one"/,
    ],
    'a compressed pickle': [zipSync(entries, { level: 6 }), /a compressed one/],
    'a storage that is missing': [
      stored(Object.fromEntries(Object.entries(entries).filter(([name]) => name !== storageName))),
      /a storage of \d+ bytes/,
    ],
    'a storage cut short': [stored({ ...entries, [storageName]: entries[storageName].subarray(4) }), /a storage of/],
    'a file cut short': [valid.subarray(0, valid.length / 2), /a whole zip archive/],
    'a zip header and nothing else': [valid.subarray(0, 4), /a whole zip archive/],
    'the legacy tar format': [tar, /legacy tar format/],
    'the format before torch 1.6': [hex('80028a0a6cfc9c46f9206aa850192e'), /legacy format before torch 1.6/],
    'big-endian storages': [
      stored({ ...entries, [pickleName.replace('data.pkl', 'byteorder')]: text('big') }),
      /"little"/,
    ],
    'a safetensors header of 5 GB': [hex('00f2052a01000000' + '7b7d'), /header length/],
    nothing: [new Uint8Array(0), /a .safetensors, .pth or .pt for "file", got "0 bytes/],
    'a picture': [hex('89504e470d0a1a0a0000000d49484452'), /a .safetensors, .pth or .pt/],
  };
  for (const [name, [bytes, message]] of Object.entries(hostile)) {
    it(`${name} is ModelInvalid, says what, and executes nothing`, () => {
      const before = process.memoryUsage().arrayBuffers;
      const error = failure(bytes);
      expect(error.code).toBe('ModelInvalid');
      expect(error.message).toMatch(message);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * bytes.length + 2 ** 20);
      expect(existsSync('/tmp/pwned')).toBe(false);
    });
  }

  it('survives a valid file with changed bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: valid.length - 1 }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        (changes) => {
          const bytes = valid.slice();
          for (const [at, value] of changes) bytes[at] = value;
          try {
            use(bytes);
          } catch (error) {
            if (!(error instanceof CarafeError)) throw error;
            expect(error.code).toBe('ModelInvalid');
          }
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  it('survives a pickle with changed bytes', () => {
    const pickle = entries[pickleName];
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: pickle.length - 1 }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 4,
        }),
        (changes) => {
          const bytes = pickle.slice();
          for (const [at, value] of changes) bytes[at] = value;
          try {
            use(withPickle(bytes));
          } catch (error) {
            if (!(error instanceof CarafeError)) throw error;
            expect(error.code).toBe('ModelInvalid');
          }
        },
      ),
      { seed, numRuns: 500 },
    );
  });
});
