// Model files for tests, written as they should be, or not.

export interface Written {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int8Array;
}

/** A .safetensors file of F32 and I8 tensors. */
export function safetensors(tensors: ReadonlyMap<string, Written>, metadata: Record<string, string>): Uint8Array {
  let end = 0;
  const entries = [...tensors].map(([name, { shape, data }]) => {
    const begin = end;
    end += data.byteLength;
    const dtype = data instanceof Int8Array ? 'I8' : 'F32';
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const data = [...tensors.values()].map((each) =>
    Buffer.from(each.data.buffer, each.data.byteOffset, each.data.byteLength),
  );
  return new Uint8Array(Buffer.concat([length, header, ...data]));
}
