import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/run-cli.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fp8lab-simulate-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const { code } = await runCli(['simulate', ...args], {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    isTTY: false,
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

/** A step of few layers and tokens. */
const small = ['--layers', '7', '--tokens', '512', '--nodes', '2'];

describe('fp8lab simulate', () => {
  it.each(['step', 'sweep', 'replan', 'why', 'validate', 'pipeline', 'hardware'])(
    '%s -h begins with examples',
    async (name) => {
      const { code, out } = await cli(name, '-h');
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`^Examples:\n {2}\\$ fp8lab simulate ${name}`));
    },
  );

  it('alone simulates a step, and names the bottleneck', async () => {
    const { code, out } = await cli(...small);
    expect(code).toBe(0);
    expect(out).toMatch(/^DeepSeek-V3, prefill, 2 nodes of H800 SXM5/);
    expect(out).toMatch(/bottleneck +\w+/);
  });

  it('prints one object, whose numbers agree with each other', async () => {
    const { out } = await cli(...small, '--phase', 'decode', '--json');
    const result = JSON.parse(out);
    expect(result).toMatchObject({ schemaVersion: 1, scenario: { phase: 'decode', layers: 7 } });
    expect(result.tokensPerSecondPerGpu * result.seconds).toBeCloseTo(512, 6);
    expect(result.bottleneck).toBe(result.criticalPath[0][0]);
  });

  it('simulates a stage of training and the pipeline it makes', async () => {
    const { code, out } = await cli(
      ...[
        '--phase',
        'training',
        '--nodes',
        '2',
        '--layers',
        '2',
        '--tokens',
        '512',
        '--stages',
        '4',
        '--micro-batches',
        '8',
      ],
      '--json',
    );
    expect(code).toBe(0);
    const { training, seconds } = JSON.parse(out);
    expect(training.overlapped).toBe(seconds);
    expect(training.tokensPerSecondPerGpu * training.seconds * 4).toBeCloseTo(8 * 512, 6);
    expect(training.bubble).toBeGreaterThan(0);
    const text = (await cli('--phase', 'training', '--nodes', '2', '--layers', '2', '--tokens', '512')).out;
    expect(text).toMatch(/bubble +[\d.]+ % of a device/);
  });

  it('draws the timeline, and writes it for Perfetto', async () => {
    await cli(...small, '--gantt', at('step.svg'), '--trace', at('step.json'), '--show-layers', '7');
    const svg = await readFile(at('step.svg'), 'utf8');
    const { document } = parseHTML(svg);
    const names = Array.from(document.querySelectorAll('title'), (title) => title.textContent!.split(',')[0]);
    for (const kind of ['attention', 'dispatch', 'experts', 'combine', 'shared experts', 'dense MLP'])
      expect(names).toContain(kind);
    expect(svg).not.toMatch(/NaN|undefined|<script/);
    const { traceEvents } = JSON.parse(await readFile(at('step.json'), 'utf8'));
    const tasks = traceEvents.filter(({ ph }: { ph: string }) => ph === 'X');
    // Four MoE layers, two micro-batches: as many dispatches on each GPU shown.
    const gpus = new Set(tasks.map(({ pid }: { pid: number }) => pid)).size;
    expect(tasks.filter(({ name }: { name: string }) => name === 'dispatch')).toHaveLength(4 * 2 * gpus);
    for (const { ts, dur } of tasks) expect(ts >= 0 && dur > 0).toBe(true);
  });

  it('sweeps a setting into a table, a CSV and a picture', async () => {
    const { code, out } = await cli(
      'sweep',
      'comm-sms',
      ...small,
      '--values',
      '2,20',
      '--csv',
      at('s.csv'),
      '--picture',
      at('s.svg'),
    );
    expect(code).toBe(0);
    const csv = (await readFile(at('s.csv'), 'utf8')).trim().split('\n');
    expect(csv).toHaveLength(3);
    expect(csv[0]).toMatch(/^comm-sms,ms,tokens\/s a node/);
    expect(out.trim().split('\n')).toHaveLength(3);
    expect(Number(csv[2]!.split(',')[2])).toBeGreaterThan(Number(csv[1]!.split(',')[2]));
    expect(await readFile(at('s.svg'), 'utf8')).not.toMatch(/NaN|undefined/);
  });

  it('takes the loads and the plan of `moe plan`', async () => {
    const loads = Array.from({ length: 256 }, (_, expert) => (expert < 16 ? 20 : 1));
    await writeFile(at('loads.json'), JSON.stringify([loads]));
    const plan = [
      'plan',
      at('loads.json'),
      '--nodes',
      '2',
      '--gpus',
      '16',
      '--redundant',
      '16',
      '--sample-tokens',
      '64',
    ];
    const io = { stdout: () => {}, stderr: () => {}, isTTY: false, env: {}, signal: new AbortController().signal };
    expect((await runCli(['moe', ...plan, '--out', at('plan.json')], io)).code).toBe(0);
    const planned = await cli(...small, '--loads', at('loads.json'), '--plan', at('plan.json'), '--json');
    const row = Array.from({ length: 256 }, (_, expert) => expert);
    const cluster = { nodes: 2, gpus: 16 };
    await writeFile(
      at('even.json'),
      JSON.stringify({ cluster, experts: 256, slotsPerGpu: 16, physicalToLogical: [row] }),
    );
    const even = await cli(...small, '--loads', at('loads.json'), '--plan', at('even.json'), '--json');
    expect(JSON.parse(planned.out).scenario.given).toEqual({ loads: true, routings: false, placement: true });
    expect(JSON.parse(planned.out).imbalance).toBeLessThan(JSON.parse(even.out).imbalance);
  });

  it('takes no gap in a list for a zero', async () => {
    expect(await cli('sweep', 'redundant', '--values', '32,,64')).toMatchObject({ code: 2 });
  });

  it('compares how often to place experts anew', async () => {
    const { code, out } = await cli(
      'replan',
      ...small,
      '--redundant',
      '16',
      '--skew',
      '0.8',
      '--drift',
      '0.2',
      '--steps',
      '2',
      '--every',
      '0,1',
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^plan every[^\n]*\nnever +\d+[^\n]*\n10 min +\d+/);
  });

  it('draws a pipeline whose bubble is its formula', async () => {
    const { code, out } = await cli(
      'pipeline',
      '--stages',
      '4',
      '--micro-batches',
      '8',
      '--gantt',
      at('p.svg'),
      '--json',
    );
    expect(code).toBe(0);
    const { bubbles, formula } = JSON.parse(out);
    expect(bubbles).toEqual([formula, formula, formula, formula]);
    expect(await readFile(at('p.svg'), 'utf8')).toContain('forward and backward');
  });

  it('prints a node type that can be changed and given back', async () => {
    const profile = JSON.parse((await cli('hardware', 'h800')).out);
    await writeFile(at('half.json'), JSON.stringify({ ...profile, ibGBs: { value: 5, source: 'a thought' } }));
    const slow = JSON.parse((await cli(...small, '--hardware', at('half.json'), '--json')).out);
    const usual = JSON.parse((await cli(...small, '--json')).out);
    expect(slow.seconds).toBeGreaterThan(usual.seconds);
  });

  it('takes the routing of the gate itself, shared slot and all', async () => {
    const io = { stdout: () => {}, stderr: () => {}, isTTY: false, env: {}, signal: new AbortController().signal };
    expect((await runCli(['run', 'gate/dsv3-2', '--out', at('gate.safetensors')], io)).code).toBe(0);
    const { code, out } = await cli(...small, '--loads', at('gate.safetensors'), '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out).scenario.given).toMatchObject({ loads: true, routings: true });
  });

  it('takes measured speeds in place of the profile', async () => {
    const line = {
      kernel: 'gemm',
      implementation: 'fp8lab',
      grouping: 'dense',
      m: 4096,
      n: 4096,
      k: 7168,
      sustainedFlops: 1e14,
    };
    await writeFile(at('bench.jsonl'), `${JSON.stringify(line)}\n`);
    const slow = JSON.parse((await cli(...small, '--measured', at('bench.jsonl'), '--json')).out);
    const usual = JSON.parse((await cli(...small, '--json')).out);
    expect(slow.seconds).toBeGreaterThan(2 * usual.seconds);
    expect(slow.scenario.hardware).toContain('measured by fp8lab-bench');
    expect(slow.sources['efficiency.gemm']).toBe('measured by fp8lab-bench on an unnamed device');
    expect(usual.sources['efficiency.gemm']).toContain('DeepGEMM README');
    const merged = JSON.parse((await cli('hardware', 'h100', '--measured', at('bench.jsonl'))).out);
    expect(merged.efficiency.gemmSource).toBe(slow.sources['efficiency.gemm']);
  });

  it.each([
    [['--comm-sms', '132'], /132 SMs for communication leave none of 132/],
    [['--hardware', 'a100'], /no node type "a100"/],
    [['--tokens', '511'], /511 tokens a GPU do not divide by 2/],
    [['--layers', '1'], /layers is 1/],
    [['--redundant', '3'], /3 duplicates do not divide by 32 GPUs/],
    [['--hosted', '4'], /32 GPUs that host 4 hold 128 of 256 experts/],
    [['pipeline', '--stages', '7'], /7 stages/],
    [['sweep', 'nodes', '--values', '0'], /nodes is 0/],
  ])('%j ends with 4 and the numbers', async (args, message) => {
    const { code, err } = await cli(...args);
    expect(code).toBe(4);
    expect(err).toMatch(message);
  });

  it.each([
    [['--phase', 'both']],
    [['sweep', 'colour', '--values', '1']],
    [['sweep', 'nodes']],
    [['sweep', 'nodes', '--values', '1,x']],
    [['why', '7-sms']],
    [['--gantt', 'x.png']],
  ])('%j is a usage error', async (args) => {
    expect((await cli(...args)).code).toBe(2);
  });

  it('refuses profiles with a bandwidth of zero, and leaves nothing behind', async () => {
    const profile = JSON.parse((await cli('hardware', 'h100')).out);
    await writeFile(at('zero.json'), JSON.stringify({ ...profile, nvlinkGBs: { value: 0, source: 'none' } }));
    const before = await readdir(folder);
    const { code, out } = await cli('--hardware', at('zero.json'), '--out', at('never.json'), '--json');
    expect(code).toBe(4);
    expect(JSON.parse(out).error).toMatchObject({
      code: 'bad-hardware',
      message: expect.stringContaining('nvlinkGBs.value'),
    });
    expect(await readdir(folder)).toEqual(before);
  });
});
