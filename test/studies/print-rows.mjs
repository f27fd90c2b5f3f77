// Prints the rows of every quick study at a small size, a line each. Run by Node and by Deno: node print-rows.mjs ../../dist/index.js
const [library] = typeof Deno === 'undefined' ? process.argv.slice(2) : Deno.args;
const { studies, readStudyOptions, runStudy } = await import(library);

const small = {
  promotion: { k: '256,512', outputs: 3, intervals: '64,128' },
  granularity: { rows: 64, columns: 128 },
  'blockwise-gradients': { tokens: 128, width: 128, layers: 2, exponents: '16' },
  'double-quantization': { rows: 128, columns: 128 },
  caching: { rows: 128, columns: 256 },
  formats: { rows: 64, columns: 128 },
  recipes: { tiles: 300 },
  optimizer: { steps: 20, repeats: 1 },
};

for (const study of studies.filter(({ name }) => name in small)) {
  const rows = await runStudy(study, { options: readStudyOptions(study.options, small[study.name]) });
  console.log(`${study.name} ${JSON.stringify(rows)}`);
}
