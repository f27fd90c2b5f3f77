/** Brings the targets up to date; returns those it had to build. */
export function build(targets?: readonly string[]): Promise<string[]>;
