/** A point; `x` is text where the axis is of categories. null values leave a gap. */
export interface ChartPoint {
  readonly x: number | string;
  readonly y: number | null;
}

/** Points that belong together. Series of one name look the same in every panel. */
export interface ChartSeries {
  readonly name: string;
  readonly points: readonly ChartPoint[];
}

/** One of several charts side by side, with the same axes. */
export interface ChartPanel {
  /** Told above the panel; may be empty where there is only one. */
  readonly title: string;
  readonly series: readonly ChartSeries[];
}

/** An axis. `category` keeps the order of first appearance. */
export interface ChartAxis {
  readonly label: string;
  readonly unit?: string;
  readonly scale: 'linear' | 'log' | 'category';
  /** Ticks of a log axis are powers of it. Default 10. */
  readonly base?: number;
  /** Values are shares in 0..1 and told in percent. */
  readonly percent?: boolean;
  /** Ends of the axis, where the data's own are not wanted. */
  readonly domain?: readonly [number, number];
}

/** A horizontal line to hold the data against: a published figure. */
export interface ChartReference {
  readonly y: number;
  readonly label: string;
}

/** A chart as data; `draw.ts` makes an SVG of it, in a page or without one. */
export interface Chart {
  /** Stem of its file names. */
  readonly name: string;
  readonly title: string;
  readonly subtitle?: string;
  /** `lines`: points joined and marked; `bars`: a bar a series and category; `dots`: points alone. */
  readonly kind: 'lines' | 'bars' | 'dots';
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  readonly panels: readonly ChartPanel[];
  readonly references?: readonly ChartReference[];
}
