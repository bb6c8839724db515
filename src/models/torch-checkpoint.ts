// Reads what torch.save writes since 1.6: a zip of stored entries, `<root>/data.pkl` (a pickle of dictionaries of
// tensors) and `<root>/data/<key>` (the storages). Nothing of the pickle is executed: its opcodes are read by
// pickleparser, and only the names of the table below mean anything; any other is refused. Tensors stay in the file
// until they are read, so a hostile file costs no memory beyond its own size. Source: pytorch/torch/serialization.py,
// torch/_utils.py.
import { type UnzipFileInfo, unzipSync } from 'fflate';
import { Parser } from 'pickleparser';
import { CarafeError, expected } from '../core/errors.js';
import { type Dtype, DTYPE_BYTES, type StoredTensor } from './stored-tensor.js';

const STORAGES: Readonly<Record<string, Dtype>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/**
 * What a checkpoint may hold beside tensors, and nobody needs: read as nothing. Modules are named as in Python 3 and
 * NumPy 1.
 */
const IGNORED: Readonly<Record<string, readonly string[]>> = {
  argparse: ['Namespace'],
  builtins: ['bytearray', 'complex', 'frozenset', 'getattr', 'object', 'range', 'set', 'slice', 'xrange'],
  collections: ['Counter', 'deque'],
  copyreg: ['_reconstructor'],
  datetime: ['date', 'datetime', 'timedelta', 'timezone'],
  pathlib: ['Path', 'PosixPath', 'PurePosixPath', 'PureWindowsPath', 'WindowsPath'],
  _codecs: ['encode'],
  numpy: ['dtype', 'ndarray'],
  'numpy.core.multiarray': ['scalar', '_reconstruct'],
  'numpy.core.numeric': ['_frombuffer'],
  torch: [
    ...['Size', 'device', 'dtype', 'ComplexFloatStorage', 'ComplexDoubleStorage'],
    ...'bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128'.split(' '),
  ],
  'torch._utils': ['_rebuild_device_tensor_from_numpy', '_rebuild_sparse_tensor'],
  'torch.serialization': ['_get_layout'],
  'addict.addict': ['Dict'],
  'mmcv.utils.config': ['ConfigDict'],
  'mmengine.config.config': ['ConfigDict'],
  'mmengine.logging.history_buffer': ['HistoryBuffer'],
};
/** Modules that were called otherwise: by protocol 2, by NumPy 2, by Python 3.13. */
const RENAMED: Readonly<Record<string, string>> = {
  __builtin__: 'builtins',
  copy_reg: 'copyreg',
  'numpy._core.multiarray': 'numpy.core.multiarray',
  'numpy._core.numeric': 'numpy.core.numeric',
  'pathlib._local': 'pathlib',
};

/** An object that nobody needs: what is put into it is dropped. */
class Nothing {
  set(): void {}
  push(): void {}
  __setstate__(): void {}
}

/**
 * Dictionaries that hold the weights, as people's scripts name them: averaged weights first, as they are what is
 * evaluated.
 */
const WRAPPERS = [
  'ema',
  'ema_state_dict',
  'state_dict_ema',
  'model_ema',
  'params_ema',
  'shadow',
  'state_dict',
  'model_state_dict',
  'model_state',
  'model',
  'module',
  'net',
  'network',
  'params',
  'weights',
  'generator',
];

interface Storage {
  readonly dtype: Dtype;
  readonly key: string;
  readonly count: number;
}

/** Whether the bytes are a zip. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/** Every tensor of the file's state-dict by name. @throws {CarafeError} ModelInvalid naming the entry or key. */
export function readTorchCheckpoint(bytes: Uint8Array): ReadonlyMap<string, StoredTensor> {
  const archive = openArchive(bytes);
  try {
    return stateDict(parsePickle(archive));
  } catch (error) {
    if (error instanceof CarafeError) throw error;
    throw invalid('data.pkl', 'a pickle as torch.save writes it', (error as Error).message);
  }
}

interface Archive {
  /** Of the whole file. */
  readonly bytes: number;
  readonly pickle: Uint8Array;
  /** The bytes of a storage. */
  storage(key: string, bytes: number): Uint8Array;
  size(key: string): number | undefined;
}

function openArchive(bytes: Uint8Array): Archive {
  const entries = new Map<string, UnzipFileInfo>();
  const extract = (name?: string): Uint8Array | undefined => {
    try {
      const filter = (file: UnzipFileInfo): boolean => {
        if (name === undefined) entries.set(file.name, file);
        return file.name === name;
      };
      return unzipSync(bytes, { filter })[name ?? ''];
    } catch (error) {
      throw invalid('file', 'a whole zip archive', (error as Error).message);
    }
  };
  extract();
  for (const { name, compression, size, originalSize } of entries.values()) {
    if (compression !== 0 || size !== originalSize)
      throw invalid(name, 'an entry that is stored as torch.save stores it', 'a compressed one');
    if (size > bytes.length) throw invalid(name, `at most ${bytes.length} bytes, the file's own size,`, size);
  }
  const read = (name: string): Uint8Array => {
    const size = entries.get(name)?.size;
    const data = size === undefined ? undefined : extract(name);
    if (!data || data.length !== size)
      throw invalid(name, 'an entry of the archive', data ? 'a truncated one' : 'none');
    return data;
  };
  const pickleName = [...entries.keys()].find((name) => /^([^/]+\/)?data\.pkl$/.test(name));
  if (pickleName === undefined) throw invalid('file', 'a zip with a data.pkl, as torch.save writes it,', 'another zip');
  const root = pickleName.slice(0, -'data.pkl'.length);
  if (entries.has(`${root}byteorder`) && new TextDecoder().decode(read(`${root}byteorder`)) !== 'little')
    throw invalid(`${root}byteorder`, '"little"', 'another byte order');
  return {
    bytes: bytes.length,
    pickle: read(pickleName),
    size: (key) => entries.get(`${root}data/${key}`)?.size,
    storage: (key) => read(`${root}data/${key}`),
  };
}

/** A tensor that has no name yet: the dictionary it lies in gives it one. */
class Unnamed {
  readonly #build: (name: string) => StoredTensor;
  readonly isScalar: boolean;
  constructor(shape: unknown, build: (name: string) => StoredTensor) {
    this.isScalar = !Array.isArray(shape) || shape.length === 0;
    this.#build = build;
  }
  build(name: string): StoredTensor {
    return this.#build(name);
  }
}

function parsePickle(archive: Archive): unknown {
  const tensor = (storage: unknown, offset: unknown, shape: unknown, strides: unknown): Unnamed | Nothing =>
    storage instanceof Nothing
      ? storage
      : new Unnamed(shape, (name) => {
          if (!isStorage(storage)) throw invalid(name, 'a tensor on a storage', storage);
          const sizes = (values: unknown): values is number[] =>
            Array.isArray(values) && values.length <= 8 && values.every((v) => Number.isSafeInteger(v) && v >= 0);
          if (!sizes(shape)) throw invalid(`${name}.shape`, 'at most 8 sizes', shape);
          if (!sizes(strides) || strides.length !== shape.length)
            throw invalid(`${name}.stride`, 'one stride a dimension', strides);
          if (!Number.isSafeInteger(offset) || (offset as number) < 0)
            throw invalid(`${name}.storage_offset`, 'an offset', offset);
          return storedTensor(archive, name, storage, offset as number, shape, strides);
        });
  const meaning = (written: string, name: string): (() => unknown) => {
    const module = Object.hasOwn(RENAMED, written) ? RENAMED[written] : written;
    const full = `${module}.${name}`;
    if (full === 'collections.OrderedDict' || full === 'collections.defaultdict') return () => new Map();
    if (full === 'torch._utils._rebuild_tensor_v2' || full === 'torch._utils._rebuild_tensor')
      return tensor as () => unknown;
    if (/^torch\._utils\._rebuild_parameter(_with_state)?$/.test(full)) return (data?: unknown) => data;
    if (/^torch(\.cuda)?$/.test(module) && Object.hasOwn(STORAGES, name))
      return Object.assign(() => null, { dtype: STORAGES[name] });
    if (Object.hasOwn(IGNORED, module) && IGNORED[module].includes(name)) {
      return function ignored() {
        return new Nothing();
      };
    }
    throw invalid(
      'data.pkl',
      'only tensors, numbers and text (of a whole model save `model.state_dict()`)',
      `an import of ${full.slice(0, 100)}`,
    );
  };
  const parser = new Parser({
    unpicklingTypeOfDictionary: 'Map',
    nameResolver: { resolve: meaning },
    persistentResolver: {
      resolve: (id: unknown) => {
        const [kind, type, key, , count] = Array.isArray(id) ? id : [];
        const dtype = (type as { dtype?: Dtype } | undefined)?.dtype;
        if (kind === 'storage' && typeof type === 'function' && !dtype) return new Nothing();
        if (kind !== 'storage' || !dtype || typeof key !== 'string' || !Number.isSafeInteger(count) || count < 0)
          throw invalid('data.pkl', 'storages of numbers', 'another persistent id');
        return { dtype, key, count } satisfies Storage;
      },
    },
  });
  return parser.parse(archive.pickle);
}

function isStorage(value: unknown): value is Storage {
  return typeof value === 'object' && value !== null && 'dtype' in value && 'key' in value && 'count' in value;
}

function storedTensor(
  archive: Archive,
  name: string,
  { dtype, key, count }: Storage,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): StoredTensor {
  const bytes = DTYPE_BYTES[dtype];
  const stored = archive.size(key);
  if (stored !== count * bytes)
    throw invalid(name, `a storage of ${count * bytes} bytes`, stored === undefined ? 'none' : `${stored} bytes`);
  const empty = shape.includes(0);
  const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i], offset);
  if (!empty && !(last < count)) throw invalid(name, `values within its storage of ${count}`, `the ${last + 1}th`);
  const values = shape.reduce((product, size) => product * size, 1);
  if (values * bytes > archive.bytes)
    // an expanded view
    throw invalid(name, `at most ${archive.bytes} bytes, the file's own size,`, values * bytes);
  return {
    dtype,
    shape,
    read: () => {
      const data = archive.storage(key, count * bytes);
      const dense = shape.reduceRight(
        ({ step, ok }, size, i) => ({ step: step * size, ok: ok && (size === 1 || strides[i] === step) }),
        { step: 1, ok: true },
      ).ok;
      if (dense || empty) return data.subarray(offset * bytes, (offset + values) * bytes);
      const out = new Uint8Array(values * bytes);
      const index = shape.map(() => 0);
      for (let i = 0, from = offset; i < values; i++) {
        out.set(data.subarray(from * bytes, (from + 1) * bytes), i * bytes);
        for (let d = shape.length - 1; d >= 0; d--) {
          from += strides[d];
          if (++index[d] < shape[d]) break;
          from -= strides[d] * shape[d];
          index[d] = 0;
        }
      }
      return out;
    },
  };
}

/** The tensors of the dictionary that holds the weights, wherever it lies. */
function stateDict(content: unknown): ReadonlyMap<string, StoredTensor> {
  if (!(content instanceof Map)) throw invalid('data.pkl', 'a dictionary of tensors (a state-dict)', content);
  const found = tensorsIn(content, '', new Set());
  if (found.length === 0)
    throw invalid('data.pkl', 'a dictionary of tensors, at any depth', [...content.keys()].slice(0, 8).map(String));
  return new Map(found.map(([name, tensor]) => [name, tensor.build(name)]));
}

/**
 * `state_dict`, `model`, `ema` and the like are taken for all there is if they hold weights; other dictionaries give
 * their tensors' names their own: `generator_a.conv.weight`.
 * @param seen Each is looked into once, however a hostile pickle ties them together.
 */
function tensorsIn(content: unknown, prefix: string, seen: Set<unknown>): [string, Unnamed][] {
  if (!(content instanceof Map) || seen.has(content)) return [];
  seen.add(content);
  for (const name of WRAPPERS) {
    const found = tensorsIn(content.get(name), prefix, seen);
    if (found.some(([, tensor]) => !tensor.isScalar)) return found;
  }
  return [...content].flatMap(([key, value]) =>
    value instanceof Unnamed ? [[prefix + String(key), value]] : tensorsIn(value, `${prefix}${String(key)}.`, seen),
  );
}

function invalid(name: string, expectation: string, got: unknown): CarafeError {
  return expected('ModelInvalid', name, expectation, got);
}
