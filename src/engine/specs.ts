// The networks a session can run, by the name that crosses the thread boundary.
import type { BackendRequest } from '../backends/select.js';
import { carafeModule, reassembly } from './carafe.js';
import type { network } from './network.js';
import type { Work } from './queue.js';
import { Session } from './session.js';
import { upscaler } from './upscaler.js';

const SPECS = { upscaler, carafeModule, reassembly };

/** Those of another worker too, which network.ts opens. */
type Specs = typeof SPECS & { readonly network: typeof network };

export type SpecName = keyof Specs;
export type OptionsOf<Name extends SpecName> = Parameters<Specs[Name]['open']>[1];
type Opened<Name extends SpecName> = ReturnType<Specs[Name]['open']>;
export type FactsOf<Name extends SpecName> = Opened<Name>['facts'];
type ProgramsOf<Name extends SpecName> = Opened<Name>['programs'];

/** A program by its name, with arguments of its types. */
export type WorkOf<Name extends SpecName> = {
  [Program in keyof ProgramsOf<Name> & string]: Work & {
    readonly program: Program;
    readonly args: ProgramsOf<Name>[Program] extends (...args: infer Args) => unknown ? Args : never;
  };
}[keyof ProgramsOf<Name> & string];

/** What has to be known to open a session, on any thread. */
export interface OpenRequest<Name extends SpecName = SpecName> extends BackendRequest {
  readonly spec: Name;
  readonly options: OptionsOf<Name>;
}

export function openSession({ spec, options, ...request }: OpenRequest): Promise<Session> {
  return Session.open(SPECS[spec as keyof typeof SPECS], request, options);
}
