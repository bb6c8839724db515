// carafe-web/simd.wasm, carafe-web/relaxed.wasm: what bundlers of edge runtimes make of an import of a .wasm file. For
// the option `wasm`.
declare const module: typeof globalThis extends { WebAssembly: { Module: { prototype: infer T } } } ? T : object;
export default module;
