export const serviceWorkerName: string;
export function stampServiceWorker(folder: string): {
  readonly version: string;
  readonly files: readonly (readonly [address: string, integrity: string])[];
};
