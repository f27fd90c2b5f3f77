// Fuzzes the safetensors parser and the spec resolver: node scripts/fuzz.mjs [--seconds N] [--seed S] [safetensors] [spec]
// Prints how many cases met which outcome. A case that neither passes nor is refused properly is written to .fp8lab/fuzz/ and ends with exit code 1.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { randomOf, safetensorsCase, specCase } from './lib/fuzz.mjs';
import { inProject } from './lib/project.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);

await build(['node']);
const api = await import('../dist/index.js');

function shippedSpecs() {
  const names = readdirSync(inProject('specs'), { recursive: true }).filter(
    (name) => name.endsWith('.json') && !name.startsWith('vectors'),
  );
  const values = names.map((name) => JSON.parse(readFileSync(inProject('specs', name), 'utf8')));
  return values.filter((value) => value.fp8lab === 1 && value.kernel !== undefined);
}

const specs = shippedSpecs();
const targets = {
  safetensors: (random) => safetensorsCase(api, random),
  spec: (random) => specCase(api, random, specs),
};

/** Runs one target until its time is over; returns false at the first finding. */
async function fuzz(name) {
  const counts = new Map();
  const end = performance.now() + seconds * 1000;
  let cases = 0;
  let slowest = 0;
  for (; performance.now() < end; cases++) {
    const started = performance.now();
    try {
      const { outcome } = await targets[name](randomOf(seed + cases));
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    } catch (error) {
      report(name, seed + cases, error);
      return false;
    }
    slowest = Math.max(slowest, performance.now() - started);
  }
  const accepted = counts.get('accepted') ?? 0;
  console.log(
    `${name}: ${cases} cases from seed ${seed}, ${accepted} accepted, ${cases - accepted} refused, 0 findings, slowest ${slowest.toFixed(0)} ms`,
  );
  for (const [outcome, count] of [...counts].sort((a, b) => b[1] - a[1]))
    console.log(`  ${String(count).padStart(9)}  ${outcome}`);
  return true;
}

function report(name, caseSeed, error) {
  const folder = inProject('.fp8lab', 'fuzz');
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}-${caseSeed}.txt`, `${error?.stack ?? error}\n`);
  console.error(`${name}: finding; run again with --seed ${caseSeed} ${name}\n${error?.stack ?? error}`);
}

const wanted = positionals.length > 0 ? positionals : Object.keys(targets);
let clean = true;
for (const name of wanted) {
  if (!(name in targets)) {
    console.error(`fuzz: unknown target ${name}; known are ${Object.keys(targets).join(', ')}`);
    process.exit(2);
  }
  clean = (await fuzz(name)) && clean;
}
process.exit(clean ? 0 : 1);
