import { along, type Convention, type Move } from '../convention.ts';
import type { AmaxGrids } from '../tile-quantizer.ts';

/** What may have been quantized: a matrix [rows, columns] for every convention. */
export interface Origin {
  readonly rows: number;
  readonly columns: number;
  /** What the spec says, on axes of its own. */
  readonly own: Convention;
  /** Moves along these axes, tried together group by group. */
  readonly groups: readonly (readonly Move[])[];
  grids(convention: Convention): AmaxGrids;
  /** The same convention with axes that have no effect put back to the spec's. */
  canonical(convention: Convention): Convention;
}

/** Matrices by name, `own` first: that of the spec. */
export function originOf(sources: Readonly<Record<string, AmaxGrids>>): Origin {
  const { rows, columns } = sources.own!;
  return {
    rows,
    columns,
    own: { source: 'own' },
    groups: [along('source', Object.keys(sources))],
    grids: ({ source }) => sources[source!] ?? sources.own!,
    canonical: (convention) => convention,
  };
}
