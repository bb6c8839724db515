// The protobuf wire format, as far as ONNX needs it: a message is a list of fields in the file's order, so that a model
// can be changed in one place and every byte of the rest stays, known or not. Source:
// protobuf.dev/programming-guides/encoding.
import { expected } from '../core/errors.js';

/** Wire types 0 (varint), 1 (8 bytes), 2 (bytes: text, message, packed numbers) and 5 (4 bytes). */
export interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
  readonly fixed?: boolean; // wire types 1 and 5
}

/** @throws {CarafeError} ModelInvalid */
export function decode(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const invalid = (): Error => expected('ModelInvalid', 'file', 'a protobuf message', `bytes that are none at ${at}`);
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= bytes.length) throw invalid();
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw invalid();
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw invalid();
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, type] = [Number(tag >> 3n), Number(tag & 7n)];
    if (number === 0) throw invalid();
    if (type === 0) fields.push({ number, value: varint() });
    else if (type === 2) fields.push({ number, value: take(Number(varint())) });
    else if (type === 1 || type === 5) fields.push({ number, value: take(type === 1 ? 8 : 4), fixed: true });
    else throw invalid();
  }
  return fields;
}

export function encode(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const { number, value, fixed } of fields) {
    const type = typeof value === 'bigint' ? 0 : fixed ? (value.length === 8 ? 1 : 5) : 2;
    parts.push(varint((BigInt(number) << 3n) | BigInt(type)));
    if (typeof value === 'bigint') parts.push(varint(BigInt.asUintN(64, value)));
    else parts.push(...(fixed ? [value] : [varint(BigInt(value.length)), value]));
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...bytes, Number(rest)]);
}

const utf8 = new TextEncoder();
export const integer = (number: number, value: number): Field => ({ number, value: BigInt(value) });
export const bytes = (number: number, value: Uint8Array): Field => ({ number, value });
export const text = (number: number, value: string): Field => ({ number, value: utf8.encode(value) });
export const message = (number: number, fields: readonly Field[]): Field => ({ number, value: encode(fields) });
export const float = (number: number, value: number): Field => ({
  number,
  value: new Uint8Array(Float32Array.of(value).buffer),
  fixed: true,
});

/** The values of all fields of that number. */
export const texts = (fields: readonly Field[], number: number): string[] =>
  values(fields, number).map((value) => new TextDecoder().decode(value as Uint8Array));
export const messages = (fields: readonly Field[], number: number): Field[][] =>
  values(fields, number).map((value) => decode(value as Uint8Array));
export const values = (fields: readonly Field[], number: number): Field['value'][] =>
  fields.filter((field) => field.number === number).map(({ value }) => value);
