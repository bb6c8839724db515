/// <reference lib="esnext.disposable" preserve="true" />
// Types of the platform in the public API, looked up instead of named: they are the real ones where the caller's
// TypeScript has them (DOM, @types/node, @webgpu/types), and no error where it has not.

/** The instances of a global class; `Otherwise` where there is none of this name. */
export type Global<Name extends string, Otherwise = never> =
  typeof globalThis extends Record<Name, { prototype: infer T }> ? T : Otherwise;

/** A compiled wasm module. */
export type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer T } } } ? T : object;

/** Bytes in memory of their own. TypeScript before 5.7 has no type parameter for that. */
export type Bytes = ReturnType<Uint8Array['slice']>;
export type ClampedBytes = ReturnType<Uint8ClampedArray['slice']>;
