// The app as a script in a realm of its own.
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import { jestRealm } from './jest-realm.js';

const realm = jestRealm();
vm.runInContext(readFileSync('realm-bundle.js', 'utf8'), realm);
const answers = await vm.runInContext('app.answers()', realm);
console.log(JSON.stringify({ version: process.versions.node, answers }));
