/** Sizes of a mixture-of-experts model with multi-head latent attention. */
export interface ModelShape {
  readonly name: string;
  readonly hidden: number;
  /** Layers in all, and the first of them that have a dense MLP. */
  readonly layers: number;
  readonly denseLayers: number;
  readonly heads: number;
  /** Ranks of the latent query and key-value, and the parts of a head. */
  readonly queryRank: number;
  readonly cacheRank: number;
  readonly ropeDim: number;
  readonly headDim: number;
  readonly valueDim: number;
  readonly experts: number;
  readonly topK: number;
  /** Groups of the node-limited gate, and how many of them a token may use. */
  readonly groups: number;
  readonly groupLimit: number;
  readonly sharedExperts: number;
  readonly expertWidth: number;
  readonly denseWidth: number;
  readonly vocabulary: number;
}

/** DeepSeek-V3 and R1 (V3 section 4.2, `config.json`). */
export const deepseekV3: ModelShape = {
  name: 'DeepSeek-V3',
  hidden: 7168,
  layers: 61,
  denseLayers: 3,
  heads: 128,
  queryRank: 1536,
  cacheRank: 512,
  ropeDim: 64,
  headDim: 128,
  valueDim: 128,
  experts: 256,
  topK: 8,
  groups: 8,
  groupLimit: 4,
  sharedExperts: 1,
  expertWidth: 2048,
  denseWidth: 18432,
  vocabulary: 129280,
};
