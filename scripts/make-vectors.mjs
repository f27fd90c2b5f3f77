// Writes specs/vectors/ anew from the reference (test/vectors/make.ts); the exhaustive digests come from scripts/exhaustive.mjs --record.
import { writeFileSync } from 'node:fs';
import { runnerImport } from 'vite';
import { inProject } from './lib/project.mjs';

const options = { configFile: false, root: inProject(), logLevel: 'error' };
const { module } = await runnerImport(inProject('test/vectors/make.ts'), options);
for (const [name, text] of Object.entries(module.makeVectors())) {
  writeFileSync(inProject('specs/vectors', name), text);
  console.log(`specs/vectors/${name}: ${text.length} bytes`);
}
