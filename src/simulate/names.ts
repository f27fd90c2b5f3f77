/** Schedules of pipeline parallelism. */
export const pipelineSchedules = ['1F1B', 'ZB1P', 'DualPipe', 'DualPipeV'] as const;

/** One of {@link pipelineSchedules}. */
export type PipelineSchedule = (typeof pipelineSchedules)[number];

/** What a sweep may change. */
export const sweepAxes = [
  'comm-sms',
  'redundant',
  'group-limit',
  'drift',
  'skew',
  'nodes',
  'tokens',
  'context',
  'plan-us',
] as const;

/** One of {@link sweepAxes}. */
export type SweepAxis = (typeof sweepAxes)[number];

/** Questions that the simulation answers with a plot. */
export const whyQuestions = ['20-sms', 'two-micro-batches', '32-redundant'] as const;

/** One of {@link whyQuestions}. */
export type WhyQuestion = (typeof whyQuestions)[number];

/** Node types that come with fp8lab. */
export const hardwareNames = ['h800', 'h100', 'h200', 'b200'] as const;
