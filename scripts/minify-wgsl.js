// Shaders as they go into the package: without comments and spaces, and what they declare themselves under short names.
// One table of names for all files, as src/ joins several to one module.

import { readdirSync, readFileSync } from 'node:fs';

const RESERVED = ['as', 'do', 'fn', 'if', 'is', 'of']; // the two-letter ones

const folder = new URL('../shaders/', import.meta.url);
const table = shortNames(
  readdirSync(folder)
    .map((name) => tight(readFileSync(new URL(name, folder), 'utf8')))
    .join('\n'),
);

/** @param {string} source of one of shaders/ */
export function minifyWgsl(source) {
  return tight(source).replace(/\b[a-zA-Z]\w*/g, (word) => table.get(word) ?? word);
}

function shortNames(all) {
  const found = (pattern) => new Set([...all.matchAll(pattern)].map(([, name]) => name));
  const declared = found(/\b(?:fn|let|const|struct|var(?:<[\w,]+>)?) ?(\w+)/g);
  const parameters = found(/[(,](?:@builtin\(\w+\))?(\w+):/g);
  const members = new Set(
    [...all.matchAll(/struct \w+{([^}]*)}/g)].flatMap(([, body]) =>
      [...body.matchAll(/(\w+):/g)].map(([, name]) => name),
    ),
  );
  const called = found(/\b(?:fn|struct) (\w+)/g);
  const builtins = [...found(/(\w+)\(/g)].filter((name) => !called.has(name));
  const swizzle = /^[xyzwrgba]{1,4}$/; // lanes of a vector, which look like members
  // src/ names entry points and pipeline constants
  const outside = [...found(/@compute @workgroup_size\(\w+\)fn (\w+)/g), ...found(/\boverride (\w+)/g), ...builtins];
  const words = found(/(\w+)/g);
  const names = [...new Set([...declared, ...parameters, ...members])].filter(
    (name) => !outside.includes(name) && !swizzle.test(name),
  );
  const letters = [...Array(26)].map((_, i) => String.fromCharCode(97 + i));
  const short = [...letters, ...letters.flatMap((a) => letters.map((b) => a + b))].filter(
    (name) => !words.has(name) && !RESERVED.includes(name) && !swizzle.test(name),
  );
  const uses = (name) => all.split(new RegExp(`\\b${name}\\b`)).length;
  names.sort((a, b) => uses(b) - uses(a));
  return new Map(names.map((name, i) => [name, short[i]]));
}

function tight(wgsl) {
  return wgsl
    .replace(/\/\/.*$/gm, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{}()[\],;:=+*/%<>&|!]) ?/g, '$1')
    .replace(/ ?(?<!- ?)-(?! ?-) ?/g, '-')
    .replace(/,}/g, '}')
    .replace(/\b0\.(?=\d)/g, '.')
    .trim();
}
