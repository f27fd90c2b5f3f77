import type { RunRequest, SpecOutcome, WorkerMessage } from './messages.ts';

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const adapterLine = element<HTMLParagraphElement>('adapter');
const button = element<HTMLButtonElement>('run');
const results = element<HTMLTableElement>('results');
const summary = element<HTMLParagraphElement>('summary');
const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });

let outcomes: SpecOutcome[] = [];
let failures = 0;

function showOutcome(outcome: SpecOutcome): void {
  outcomes.push(outcome);
  const row = results.tBodies[0]!.insertRow();
  const cells = [
    outcome.spec,
    outcome.elements.toLocaleString('en'),
    outcome.mismatches.toLocaleString('en'),
    outcome.webgpu.toFixed(1),
    outcome.reference.toFixed(1),
  ];
  for (const text of cells) row.insertCell().textContent = text;
  row.cells[2]!.classList.toggle('differs', outcome.mismatches > 0);
}

function showFailure(what: string, message: string, fix: string): void {
  failures++;
  const row = results.tBodies[0]!.insertRow();
  row.insertCell().textContent = what;
  const cell = row.insertCell();
  cell.colSpan = 4;
  cell.className = 'differs';
  cell.textContent = `${message}; ${fix}`;
}

function showSummary(): void {
  const differing = outcomes.reduce((sum, { mismatches }) => sum + mismatches, 0);
  const verdict = differing === 0 ? 'WebGPU and the reference agree to the bit' : `${differing} elements differ`;
  summary.textContent = `${outcomes.length} specs run, ${failures} failed: ${verdict}.`;
  button.disabled = false;
}

function show(message: WorkerMessage): void {
  if (message.kind === 'adapter') {
    const software = message.software ? ' (software: it runs on the CPU)' : '';
    adapterLine.textContent = `WebGPU adapter: ${message.adapter}${software}. ${message.specs} specs to run.`;
    button.disabled = false;
  } else if (message.kind === 'spec') showOutcome(message);
  else if (message.kind === 'done') showSummary();
  else if (message.what === 'WebGPU') adapterLine.textContent = `${message.message}. To mend it: ${message.fix}.`;
  else showFailure(message.what, message.message, message.fix);
}

worker.addEventListener('message', (event: MessageEvent<WorkerMessage>) => show(event.data));
worker.addEventListener('error', (event) => {
  adapterLine.textContent = `The worker stopped: ${event.message}`;
});
button.addEventListener('click', () => {
  button.disabled = true;
  outcomes = [];
  failures = 0;
  results.hidden = false;
  results.tBodies[0]!.replaceChildren();
  summary.textContent = 'Running ...';
  const request: RunRequest = { kind: 'run' };
  worker.postMessage(request);
});
