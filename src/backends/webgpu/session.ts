import { Fp8labError } from '../../errors.ts';
import type { AdapterChoice } from '../backend.ts';
import { type AdapterIdentity, requestDevice } from './adapter.ts';
import { createGpu, type OwnedGpu } from './device.ts';

/** What a runner knows of the runtime it is in. */
export interface Host {
  /** Runtime and version: `node 20.20.2 (dawn)`. */
  readonly runtime: string;
  /** Absent in a browser without WebGPU. */
  readonly gpu: GPU | undefined;
  readonly adapter: AdapterChoice;
}

/** A device that is requested at first use and again after it was lost. */
export interface Session {
  readonly host: Host;
  open(): Promise<{ gpu: OwnedGpu; adapter: AdapterIdentity }>;
}

function noWebGpu(runtime: string): Fp8labError {
  return new Fp8labError(`${runtime} has no WebGPU`, {
    kind: 'environment',
    code: 'no-webgpu',
    where: 'navigator.gpu',
    fix: 'use Chromium or Chrome 121 or later',
  });
}

/** Opens devices of a host: one at a time, a new one once the last was lost. */
export function createSession(host: Host): Session {
  let opened: Promise<{ gpu: OwnedGpu; adapter: AdapterIdentity }> | undefined;
  const request = async () => {
    if (host.gpu === undefined) throw noWebGpu(host.runtime);
    const { device, adapter } = await requestDevice(host.gpu, host.adapter);
    device.lost.then(() => {
      opened = undefined;
    });
    return { gpu: createGpu(device), adapter };
  };
  return {
    host,
    open() {
      opened ??= request();
      opened.catch(() => {
        opened = undefined;
      });
      return opened;
    },
  };
}
