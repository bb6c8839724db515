// Reads what torch.save writes since 1.6: a zip of stored entries, `<root>/data.pkl` (a pickle of dictionaries of
// tensors) and `<root>/data/<key>` (the storages). Nothing of the pickle is executed: its opcodes are read by
// pickleparser, and only the names of the table below mean anything; any other is refused. Tensors stay in the file
// until they are read, so a hostile file costs no memory beyond its own size. Source: pytorch/torch/serialization.py,
// torch/_utils.py.
import { type UnzipFileInfo, unzipSync } from 'fflate';
import { Parser } from 'pickleparser';
import { type CarafeError, expected } from '../core/errors.js';
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

/** What a checkpoint may hold beside tensors, and nobody needs: read as nothing. */
const IGNORED = [
  'torch.Size',
  'torch.device',
  'torch.dtype',
  'torch._utils._rebuild_device_tensor_from_numpy',
  '_codecs.encode',
  'numpy.dtype',
  'numpy.ndarray',
  'numpy.core.multiarray.scalar',
  'numpy.core.multiarray._reconstruct',
  'numpy._core.multiarray.scalar',
  'numpy._core.multiarray._reconstruct',
  'mmengine.logging.history_buffer.HistoryBuffer',
  'builtins.set',
  'builtins.frozenset',
  'builtins.slice',
  'collections.Counter',
];

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
  const content = parsePickle(archive.pickle, (name, storage, offset, shape, strides) =>
    tensor(archive, name, storage, offset, shape, strides),
  );
  return stateDict(content);
}

interface Archive {
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
    pickle: read(pickleName),
    size: (key) => entries.get(`${root}data/${key}`)?.size,
    storage: (key) => read(`${root}data/${key}`),
  };
}

type Rebuild = (
  name: string,
  storage: Storage,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
) => StoredTensor;

/** A tensor that has no name yet: the dictionary it lies in gives it one. */
class Unnamed {
  readonly build: (name: string) => StoredTensor;
  constructor(build: (name: string) => StoredTensor) {
    this.build = build;
  }
}

function parsePickle(pickle: Uint8Array, rebuild: Rebuild): unknown {
  const tensor = (storage: unknown, offset: unknown, shape: unknown, strides: unknown): Unnamed =>
    new Unnamed((name) => {
      if (!isStorage(storage)) throw invalid(name, 'a tensor on a storage', storage);
      const sizes = (values: unknown): values is number[] =>
        Array.isArray(values) && values.length <= 8 && values.every((v) => Number.isSafeInteger(v) && v >= 0);
      if (!sizes(shape)) throw invalid(`${name}.shape`, 'at most 8 sizes', shape);
      if (!sizes(strides) || strides.length !== shape.length)
        throw invalid(`${name}.stride`, 'one stride a dimension', strides);
      if (!Number.isSafeInteger(offset) || (offset as number) < 0)
        throw invalid(`${name}.storage_offset`, 'an offset', offset);
      return rebuild(name, storage, offset as number, shape, strides);
    });
  const meanings = (name: string): unknown => {
    if (name === 'collections.OrderedDict' || name === 'collections.defaultdict') return () => new Map();
    if (name === 'torch._utils._rebuild_tensor_v2' || name === 'torch._utils._rebuild_tensor') return tensor;
    if (name === 'torch._utils._rebuild_parameter') return (data: unknown) => data;
    const [, storage] = /^torch\.(?:cuda\.)?(\w+)$/.exec(name) ?? [];
    if (storage !== undefined && Object.hasOwn(STORAGES, storage))
      return Object.assign(() => null, { dtype: STORAGES[storage] });
    if (IGNORED.includes(name)) {
      return function ignored() {
        return {};
      };
    }
    throw invalid(
      'data.pkl',
      'only tensors, numbers and text (of a whole model save `model.state_dict()`)',
      `an import of ${name.slice(0, 100)}`,
    );
  };
  const parser = new Parser({
    unpicklingTypeOfDictionary: 'Map',
    nameResolver: { resolve: (module, name) => meanings(`${module}.${name}`) as () => unknown },
    persistentResolver: {
      resolve: (id: unknown) => {
        const [kind, type, key, , count] = Array.isArray(id) ? id : [];
        const dtype = (type as { dtype?: Dtype } | undefined)?.dtype;
        if (kind !== 'storage' || !dtype || typeof key !== 'string' || !Number.isSafeInteger(count) || count < 0)
          throw invalid('data.pkl', 'storages of numbers', 'another persistent id');
        return { dtype, key, count } satisfies Storage;
      },
    },
  });
  try {
    return parser.parse(pickle);
  } catch (error) {
    if ((error as CarafeError).code === 'ModelInvalid') throw error;
    throw invalid('data.pkl', 'a pickle as torch.save writes it', (error as Error).message);
  }
}

function isStorage(value: unknown): value is Storage {
  return typeof value === 'object' && value !== null && 'dtype' in value && 'key' in value && 'count' in value;
}

function tensor(
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
  if (values > count) throw invalid(name, `at most ${count} values, as many as are stored,`, values); // an expanded view
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

/**
 * The tensors of the dictionary that holds the weights, wherever it lies: `state_dict`, `model`, `ema` and the like are
 * unwrapped.
 */
function stateDict(content: unknown): ReadonlyMap<string, StoredTensor> {
  if (!(content instanceof Map)) throw invalid('data.pkl', 'a dictionary of tensors (a state-dict)', content);
  const own = [...content].filter(([, value]) => value instanceof Unnamed);
  if (own.length > 0)
    return new Map(own.map(([name, value]) => [String(name), (value as Unnamed).build(String(name))]));
  for (const name of WRAPPERS) {
    if (content.get(name) instanceof Map) return stateDict(content.get(name));
  }
  throw invalid(
    'data.pkl',
    `tensors, or a dictionary of them named ${WRAPPERS.join(', ')}`,
    [...content.keys()].slice(0, 8).map(String),
  );
}

function invalid(name: string, expectation: string, got: unknown): CarafeError {
  return expected('ModelInvalid', name, expectation, got);
}
