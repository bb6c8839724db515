// The networks of a model at the last few positions of its dial: pictures of one kind share one, and the weights of the others are freed.
import type { Backend } from '../backends/backend.js';
import type { Dial } from '../models/dial.js';
import { type CarafeLuma, convsOf, loadCarafeLuma } from './networks/carafe-luma.js';

/** Positions whose weights are kept: what most folders of pictures have, clean ones and JPEGs of a few qualities. */
const KEPT = 4;

/** What holds weights. */
type Weights = Pick<Backend, 'conv' | 'release'>;

interface Kept {
  readonly net: CarafeLuma;
  /** Runs that read it. */
  users: number;
}

export class Positions {
  /** At 0: what all of them are like. */
  readonly clean: CarafeLuma;
  readonly #backend: Weights;
  readonly #dial: Dial;
  readonly #kept = new Map<number, Kept>(); // the longest unused first

  constructor(backend: Weights, dial: Dial) {
    this.#backend = backend;
    this.#dial = dial;
    this.clean = this.#open(0).net;
  }

  /** What `run` makes of the network at `position`, which stays until it has settled. */
  async use<T>(position: number, run: (net: CarafeLuma) => Promise<T>): Promise<T> {
    const kept = this.#kept.get(position) ?? this.#open(position);
    this.#kept.delete(position);
    this.#kept.set(position, kept); // the latest
    kept.users++;
    try {
      return await run(kept.net);
    } finally {
      kept.users--;
    }
  }

  /** Makes room first: the new weights may lie where the old ones did. */
  #open(position: number): Kept {
    for (const [other, { net, users }] of this.#kept) {
      if (this.#kept.size < KEPT) break;
      if (users > 0) continue;
      this.#kept.delete(other);
      this.#backend.release(...convsOf(net));
    }
    const kept = { net: loadCarafeLuma(this.#backend, this.#dial.at(position)), users: 0 };
    this.#kept.set(position, kept);
    return kept;
  }
}
