import type { AdapterChoice } from '../backend.ts';

/** The value of `--name=value` among the arguments. */
export function argument(args: readonly string[], name: string): string | undefined {
  return args.find((text) => text.startsWith(`--${name}=`))?.slice(name.length + 3);
}

/** The adapter asked for. */
export const adapterOf = (args: readonly string[]) => (argument(args, 'adapter') ?? 'auto') as AdapterChoice;

/** Standard output carries frames: whatever a library logs must not get in between. */
export function logToStderr(): void {
  // biome-ignore lint/suspicious/noConsole: this is what keeps the library's own promise not to print.
  console.log = console.info = console.debug = console.warn = console.error;
}
