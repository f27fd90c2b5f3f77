import { existsSync } from 'node:fs';
import { inProject } from './project.mjs';

const common = {
  configFile: false,
  root: inProject(),
  logLevel: 'warn',
  publicDir: false,
};

/** Entries of the Node library: dist/NAME.js for each. */
const nodeEntries = {
  index: 'src/index.ts',
  node: 'src/node.ts',
  cli: 'src/cli/main.ts',
  machine: 'src/backends/machine.ts',
  findings: 'src/backends/findings.ts',
  'reference-worker': 'src/backends/reference-worker.ts',
  'checkpoint-worker': 'src/checkpoint/worker.ts',
};

function presentEntries() {
  const present = Object.entries(nodeEntries).filter(([, file]) => existsSync(inProject(file)));
  return Object.fromEntries(present.map(([name, file]) => [name, inProject(file)]));
}

/** Library, command line and worker threads, for Node 20; npm dependencies stay outside. */
function nodeTarget(outDir) {
  return {
    ...common,
    build: {
      outDir,
      emptyOutDir: true,
      target: 'node20',
      ssr: true,
      minify: false,
      rolldownOptions: {
        input: presentEntries(),
        output: {
          entryFileNames: '[name].js',
          chunkFileNames: 'chunks/[name].js',
          banner: (chunk) => (chunk.isEntry && chunk.name === 'cli' ? '#!/usr/bin/env node' : ''),
        },
      },
    },
  };
}

/** One file without imports, which Node, Deno and a page can all run. */
export function runnerTarget(outDir, entry = inProject('src/backends/webgpu/runner-entry.ts')) {
  return {
    ...common,
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2022',
      minify: false,
      modulePreload: false,
      lib: { entry, formats: ['es'], fileName: () => 'runner.js' },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  };
}

/** The page, by the project's vite.config.ts. */
function pageTarget(outDir) {
  return {
    root: inProject(),
    configFile: inProject('vite.config.ts'),
    logLevel: 'warn',
    build: { outDir, emptyOutDir: true },
  };
}

/** What `vite.build` needs for each target, and where its output goes under dist/. */
export const viteTargets = {
  node: { config: nodeTarget, into: '.', output: 'index.js' },
  runner: { config: runnerTarget, into: '.', output: 'runner.js' },
  page: { config: pageTarget, into: 'page', output: 'page/index.html' },
};
