import type { InlineConfig } from 'vite';

export function runnerTarget(outDir: string, entry?: string): InlineConfig;
