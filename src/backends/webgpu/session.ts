import { Fp8labError } from '../../errors.ts';
import { families } from '../../kernels/index.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { Family, VariantChoices } from '../../kernels/variants.ts';
import type { AdapterChoice } from '../backend.ts';
import { type AdapterIdentity, requestDevice } from './adapter.ts';
import { Ahead, type AheadHost } from './ahead.ts';
import { createGpu, type OwnedGpu } from './device.ts';
import { runTrial, type Trial, type TrialOptions } from './trial.ts';

/** What a runner knows of the runtime it is in. */
export interface Host {
  /** Runtime and version: `node 20.20.2 (dawn)`. */
  readonly runtime: string;
  /** Absent in a browser without WebGPU. */
  readonly gpu: GPU | undefined;
  readonly adapter: AdapterChoice;
  /** What makes ready for runs to come; absent where nothing does. */
  readonly ahead?: AheadHost;
}

/** A device, and who plays it. */
export interface OpenDevice {
  readonly gpu: OwnedGpu;
  readonly adapter: AdapterIdentity;
}

/** A device that is requested at first use and again after it was lost. */
export interface Session {
  readonly host: Host;
  /** What was made ready for runs to come. */
  readonly ahead?: Ahead;
  /** For the fast tier, the Gpu has the variants of `families` that are fastest here: those it was told of, else those that a trial finds, once. */
  open(tier?: Tier, families?: readonly Family[]): Promise<OpenDevice>;
  /** Tries every variant of families, and takes the fastest from now on. */
  trial(families?: readonly Family[], options?: TrialOptions): Promise<Trial>;
  /** Takes these variants from now on, those of other families as before. */
  choose(variants: VariantChoices): void;
}

function noWebGpu(runtime: string): Fp8labError {
  // Browsers hide navigator.gpu from pages that came by http from another machine.
  const insecure = globalThis.isSecureContext === false;
  return new Fp8labError(insecure ? 'pages by plain http have no WebGPU' : 'there is no WebGPU here', {
    kind: 'environment',
    code: 'no-webgpu',
    where: `navigator.gpu of ${runtime}`,
    fix: insecure ? 'open the page by https, or by http from localhost' : 'use Chromium or Chrome 121 or later',
  });
}

/** Opens devices of a host: one at a time, a new one once the last was lost. */
export function createSession(host: Host): Session {
  let opened: Promise<OpenDevice> | undefined;
  let chosen: VariantChoices = {};
  /** Trials go one after the other, so that none is made twice and none slows another. */
  let trials: Promise<unknown> = Promise.resolve();
  const request = async () => {
    if (host.gpu === undefined) throw noWebGpu(host.runtime);
    const { device, adapter } = await requestDevice(host.gpu, host.adapter);
    device.lost.then(() => {
      opened = undefined;
    });
    return { gpu: createGpu(device), adapter };
  };
  const openExact = (): Promise<OpenDevice> => {
    opened ??= request();
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
  const session: Session = {
    host,
    ...(host.ahead && { ahead: new Ahead(host.ahead) }),
    async open(tier = 'exact', wanted = []) {
      const { gpu, adapter } = await openExact();
      if (tier === 'exact') return { gpu, adapter };
      const turn = trials.then(async () => {
        const unknown = wanted.filter((family) => chosen[family.name] === undefined);
        if (unknown.length > 0) await session.trial(unknown);
      });
      trials = turn.catch(() => undefined);
      await turn;
      return { gpu: createGpu(gpu.device, { variants: chosen }), adapter };
    },
    async trial(wanted = families, options) {
      const { gpu } = await openExact();
      const result = await runTrial(gpu, wanted, options);
      session.choose(result.choices);
      return result;
    },
    choose(variants) {
      chosen = { ...chosen, ...variants };
    },
  };
  return session;
}
