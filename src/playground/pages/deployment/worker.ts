// Deployments beside the page: the same simulation as `fp8lab simulate`.
import type { WhyQuestion } from '../../../simulate/names.ts';
import type { WhyData } from '../../../simulate/why-curves.ts';
import { whyData } from '../../../simulate/why-data.ts';
import { serve } from '../../services/serve.ts';
import { deploymentView } from './model.ts';
import type { DeploymentView, Settings } from './view.ts';

/** Jobs of the deployment worker. */
export type DeploymentJobs = {
  readonly simulate: { readonly input: Settings; readonly output: DeploymentView };
  readonly why: {
    readonly input: WhyQuestion;
    readonly output: WhyData;
    readonly progress: { readonly done: number; readonly of: number };
  };
};

serve<DeploymentJobs>({
  simulate: (settings) => deploymentView(settings),
  why: (question, tell) => whyData(question, (done, of) => tell({ done, of })),
});
