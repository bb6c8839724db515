// A realm of node:vm as jest-environment-node makes one: Node's globals, of which ArrayBuffer and Uint8Array are those
// of the outer realm.
import vm from 'node:vm';

const NODE = [
  'process',
  'Buffer',
  'URL',
  'Blob',
  'Response',
  'DecompressionStream',
  'atob',
  'TextDecoder',
  'MessageChannel',
];
const OUTER = ['ArrayBuffer', 'Uint8Array', 'AbortController', 'structuredClone', 'performance'];
const TIMERS = ['setTimeout', 'clearTimeout'];

export const jestRealm = () =>
  vm.createContext(
    Object.fromEntries([...NODE, ...OUTER, ...TIMERS].map((name) => [name, Reflect.get(globalThis, name)])),
  );
