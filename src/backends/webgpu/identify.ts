import type { AdapterIdentity } from './adapter.ts';
import type { Reply } from './serve.ts';
import type { Session } from './session.ts';

/** What the parent learns of the adapter: the answer to `identify`. */
export interface RunnerIdentity {
  readonly runtime: string;
  readonly adapter: AdapterIdentity;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** The adapter's most telling name; drivers fill different fields, some only with numbers. */
export function adapterName({ description, device, architecture, vendor }: AdapterIdentity): string {
  return (
    [description, device, architecture, vendor].find((name) => name !== '' && !/^\d+$/.test(name)) ?? 'unnamed adapter'
  );
}

const reportedLimits = ['maxBufferSize', 'maxStorageBufferBindingSize', 'maxComputeWorkgroupsPerDimension'] as const;

/** The job `identify`: opens the device and says whose it is. */
export async function identify(session: Session): Promise<Reply> {
  const { gpu, adapter } = await session.open();
  const { features, limits } = gpu.device;
  const value: RunnerIdentity = {
    runtime: session.host.runtime,
    adapter,
    features: [...features].sort(),
    limits: Object.fromEntries(reportedLimits.map((name) => [name, limits[name]])),
  };
  return { value };
}
