/** Shares as bytes, one a cell: 0 to 254 stand for 0 to 1, {@link noLevel} for a cell without a value. A picture of 65,536 cells is 64 KiB. */
export type Levels = Uint8Array;

/** The level of a cell without a value. */
export const noLevel = 255;

/** The level of a share from 0 to 1; NaN has none. */
export const levelOf = (share: number): number => (Number.isNaN(share) ? noLevel : Math.round(254 * share));
