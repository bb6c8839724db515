"""Read and write .safetensors: 8-byte little-endian header length, JSON header, data.

The header is padded with spaces so that the data starts on a multiple of 8 bytes.
"""
import json
import struct

import numpy as np

DTYPES = {'I8': np.dtype('i1'), 'F16': np.dtype('<f2'), 'F32': np.dtype('<f4'), 'F64': np.dtype('<f8'), 'I64': np.dtype('<i8')}


def save(path, tensors, metadata, dtype='F32', dtypes=None):
    """dtypes: of those tensors, by name, that have another one."""
    header, offset, blocks = {'__metadata__': {k: str(v) for k, v in metadata.items()}}, 0, []
    kinds = {name: (dtypes or {}).get(name, dtype) for name in tensors}
    for name in sorted(tensors, key=lambda name: -DTYPES[kinds[name]].itemsize):  # the widest first, so that each begins on a multiple of its size
        tensor, kind = tensors[name], kinds[name]
        block = np.ascontiguousarray(tensor, DTYPES[kind]).tobytes()
        header[name] = {'dtype': kind, 'shape': list(np.shape(tensor)), 'data_offsets': [offset, offset + len(block)]}
        offset += len(block)
        blocks.append(block)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(blocks))


def load(path):
    """-> (tensors as float32 arrays, metadata)"""
    with open(path, 'rb') as file:
        data = file.read()
    length = struct.unpack('<Q', data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata = header.pop('__metadata__', {})
    tensors = {}
    for name, entry in header.items():
        start, end = entry['data_offsets']
        values = np.frombuffer(data[8 + length + start:8 + length + end], DTYPES[entry['dtype']])
        tensors[name] = values.reshape(entry['shape']).astype(np.float32)
    return tensors, metadata
