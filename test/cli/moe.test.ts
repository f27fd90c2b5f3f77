import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/run-cli.ts';
import { writeTensors } from '../../src/tensors/files.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fp8lab-moe-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const { code } = await runCli(args, {
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

const small = ['--nodes', '2', '--gpus', '8', '--redundant', '8', '--sample-tokens', '200'];

describe('fp8lab moe', () => {
  it.each(['route', 'generate', 'plan', 'simulate'])('%s -h begins with examples', async (name) => {
    const { code, out } = await cli('moe', name, '-h');
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^Examples:\n {2}\\$ fp8lab moe ${name}`));
  });

  it('what generate writes is what plan reads, as CSV and as JSON', async () => {
    const recipe = ['--layers', '2', '--experts', '32', '--tokens', '4000', '--top-k', '4', '--seed', '5'];
    expect((await cli('moe', 'generate', ...recipe, '--out', at('loads.csv'))).code).toBe(0);
    expect((await cli('moe', 'generate', ...recipe, '--out', at('loads.json'))).code).toBe(0);
    const plans = await Promise.all(
      ['loads.csv', 'loads.json'].map((name) => cli('moe', 'plan', at(name), ...small, '--top-k', '4', '--json')),
    );
    const [csv, json] = plans.map(({ out }) => JSON.parse(out));
    expect({ ...csv, source: '' }).toEqual({ ...json, source: '' });
    expect(csv).toMatchObject({ schemaVersion: 1, cluster: { nodes: 2, gpus: 8 }, slotsPerGpu: 5 });
    for (const layer of [0, 1]) expect(csv.balance.after[layer].ratio).toBeLessThan(csv.balance.before[layer].ratio);
    expect(csv.traffic.after.nodeTokens).toEqual(csv.traffic.before.nodeTokens);
    expect((await cli('moe', 'generate', ...recipe)).out).toBe(await readFile(at('loads.csv'), 'utf8'));
  });

  it('a plan is a start for the next one, and nothing moves for the same loads', async () => {
    await cli('moe', 'plan', at('loads.csv'), ...small, '--out', at('plan.json'));
    const { code, out } = await cli('moe', 'plan', at('loads.csv'), ...small, '--from', at('plan.json'), '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out).moves).toMatchObject({ copies: 0, bytes: 0 });
  });

  it.each(['hierarchical', 'global'])('plans by EPLB: %s', async (policy) => {
    const { code, out } = await cli('moe', 'plan', at('loads.csv'), ...small, '--policy', policy, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out).physicalToLogical[0]).toHaveLength(40);
  });

  it('draws a plan that stands by itself: every replica a block, no script, no address', async () => {
    await cli('moe', 'plan', at('loads.csv'), ...small, '--picture', at('plan.svg'));
    const svg = await readFile(at('plan.svg'), 'utf8');
    const { document } = parseHTML(svg);
    expect(document.querySelector('svg')?.getAttribute('viewBox')).toMatch(/^0 0 1080 \d+$/);
    // 32 blocks before, 40 after, the key's and the page's own rectangles, and eight bars of traffic.
    expect(document.querySelectorAll('rect').length).toBe(32 + 40 + 7 + 1 + 8);
    expect(svg).not.toMatch(/<script|https?:(?!\/\/www\.w3\.org)|NaN|undefined/);
  });

  it('counts the traffic of the tokens of a safetensors file', async () => {
    const codes = Uint32Array.from({ length: 64 * 2 }, (_, i) => (i * 5) % 16);
    await writeTensors(at('topk.safetensors'), { topk_idx: { dtype: 'I32', shape: [64, 2], codes } });
    const { code, out } = await cli('moe', 'plan', at('topk.safetensors'), ...small, '--experts', '16', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out).traffic).toMatchObject({ tokens: 64, drawn: false });
  });

  it('route counts what the gate chose, and draws every expert', async () => {
    const { code, out } = await cli('moe', 'route', 'gate/dsv3', '--json', '--picture', at('route.svg'));
    expect(code).toBe(0);
    const { tokens, topk, load, gpuLoads, tokensByNodes, crossings, traffic, nearTies } = JSON.parse(out);
    const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
    expect([sum(load), sum(gpuLoads), sum(tokensByNodes)]).toEqual([tokens * topk, tokens * topk, tokens]);
    // Eight groups on four nodes, four of them chosen: never more than four nodes, and fewer messages than choices.
    expect(tokensByNodes).toHaveLength(5);
    expect(tokensByNodes[0]).toBe(0);
    expect(sum(traffic.nodeTokens.flat())).toBeLessThan(crossings);
    expect(nearTies).toEqual({ below: 2e-6, tokens: 0 });
    const svg = await readFile(at('route.svg'), 'utf8');
    expect(svg).not.toMatch(/NaN|undefined|<script/);
    // 4 nodes, 8 groups, 256 experts and 32 GPUs are bars; a band for each node and group, each busy expert, each expert and GPU.
    const { document } = parseHTML(svg);
    expect(document.querySelectorAll(`rect[width="12"]`).length).toBe(4 + 8 + 256 + 32);
    const busy = load.filter((count: number) => count > 0).length;
    expect(document.querySelectorAll('path[fill-opacity]').length).toBe(32 + 2 * busy);
  });

  it('route counts the tokens that a gate refuses, and says what a token weighs', async () => {
    const args = ['route', 'gate/edge-bits', '--gpus', '8'];
    const refused = JSON.parse((await cli('moe', ...args, '--json')).out).refused;
    expect(refused).toBeGreaterThan(0);
    const { out } = await cli('moe', ...args);
    expect(out).toContain(`${refused} tokens, for a logit or bias that is no number`);
    expect(out).toContain('7168 channels in FP8 with scales');
    expect((await cli('moe', 'route', 'gate/dsv3')).out).not.toContain('refused');
  });

  it('plan says that loads are of fewer experts than a token chooses', async () => {
    await writeFile(at('one.csv'), '0,0,0,9\n');
    const shape = ['--nodes', '1', '--gpus', '2', '--redundant', '2', '--groups', '1', '--top-k', '2'];
    const { code, err } = await cli('moe', 'plan', at('one.csv'), ...shape);
    expect(code).toBe(4);
    expect(err).toContain('only 1 of 4 experts have a load, and a token chooses 2');
  });

  it('route takes the placement of a plan, whose replicas share an expert', async () => {
    await cli('moe', 'plan', '--layers', '1', '--redundant', '32', '--policy', 'global', '--out', at('spread.json'));
    const { code, out } = await cli('moe', 'route', 'gate/dsv3', '--json', '--from', at('spread.json'));
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ cluster: { nodes: 4, gpus: 32 }, tokens: 512 });
  });

  it('takes nodes and GPUs from the plan, and says so where others are asked for', async () => {
    const { code, err } = await cli('moe', 'route', 'gate/dsv3', '--from', at('spread.json'), '--nodes', '8');
    expect(code).toBe(2);
    expect(err).toMatch(/--nodes <n>' cannot be used with option '--from <plan>'/);
  });

  it('simulates four policies, draws them and says so in text', async () => {
    const series = ['--layers', '2', '--experts', '32', '--steps', '8', '--tokens', '4000', '--top-k', '4'];
    const given = [...series, '--nodes', '2', '--gpus', '8', '--redundant', '8', '--hosted', '8', '--active', '6'];
    const { code, out } = await cli('moe', 'simulate', ...given, '--picture', at('sim.svg'), '--out', at('sim.json'));
    expect(code).toBe(0);
    expect(out).toMatch(/dynamic, optimum a step/);
    expect(out).toMatch(/\d+ of 8 assignments proven optimal/);
    expect(await readFile(at('sim.svg'), 'utf8')).not.toMatch(/NaN|undefined/);
    const { policies } = JSON.parse(await readFile(at('sim.json'), 'utf8'));
    expect(policies.map(({ policy }: { policy: string }) => policy)).toEqual(['even', 'once', 'replanned', 'dynamic']);
  });

  it.each([
    [['plan', '--gpus', '30'], /30 gpus do not divide by 4 nodes|256 experts do not divide by 30/],
    [['plan', '--redundant', '30'], /30 redundant experts do not divide by 4 nodes/],
    [
      ['plan', '--redundant', '1e9'],
      /1000000000 duplicates of 256 experts are more than one of each on each of 32 GPUs/,
    ],
    [['plan', '--policy', 'global', '--redundant', '1e9'], /more than one of each on each of 32 GPUs/],
    [['simulate', '--hosted', '1e9'], /more than one of each on each of 32 GPUs/],
    [['plan', '--slots', '8'], /288 replicas, more than the 256 slots of 32 GPUs of 8/],
    [['plan', '--policy', 'hierarchical', '--groups', '6'], /6 groups do not divide by 4 nodes/],
    [['plan', '--policy', 'hierarchical', '--redundant', '4'], /260 replicas do not divide by 32 gpus/],
    [['plan', '--top-k', '300'], /top-300 of 256 experts/],
    [['simulate', '--steps', '3'], /3 steps do not go beyond a window of 4/],
    [['generate', '--drift', '7'], /drift is 7/],
  ])('%j ends with 4 and the numbers', async (args, message) => {
    const { code, err } = await cli('moe', ...args);
    expect(code).toBe(4);
    expect(err).toMatch(message);
    expect(err).toMatch(/\nfix: /);
  });

  it.each([
    [['plan', '--out', 'x.txt'], 2],
    [['plan', '--picture', 'x.png'], 2],
    [['plan', '--nodes', 'many'], 2],
    [['route', 'gemm/dsv3-dgrad'], 2],
    [['route', 'gate/dsv3', '--gpus', '30'], 4],
    [['plan', '--policy', 'best'], 2],
    [['nothing'], 2],
  ])('%j is a usage error', async (args, code) => {
    expect((await cli('moe', ...args)).code).toBe(code);
  });

  it('refuses a window without steps', async () => {
    expect(await cli('moe', 'simulate', '--window', '0')).toMatchObject({
      code: 4,
      err: expect.stringContaining('window is 0'),
    });
  });

  it('tells what is wrong with a file, and leaves none of its own behind', async () => {
    await writeFile(at('bad.csv'), '1,2\n3,oops\n');
    await writeFile(at('bad.json'), '{"plan": 1}');
    const before = await readdir(folder);
    const bad = await cli('moe', 'plan', at('bad.csv'), '--out', at('never.json'), '--json');
    expect(bad.code).toBe(4);
    expect(JSON.parse(bad.out).error).toMatchObject({ code: 'bad-load' });
    expect((await cli('moe', 'plan', at('missing.csv'))).code).toBe(4);
    const from = await cli('moe', 'plan', '--from', at('bad.json'));
    expect(from).toMatchObject({ code: 4, err: expect.stringContaining('this is no plan') });
    expect(await readdir(folder)).toEqual(before);
  });
});

describe('the picture of docs/moe.md', () => {
  it('is what the documented command draws', async () => {
    const page = await readFile('docs/moe.md', 'utf8');
    const [, args] = /fp8lab (moe route .*) --picture/.exec(page)!;
    expect((await cli(...args!.split(' '), '--picture', at('again.svg'))).code).toBe(0);
    expect(await readFile(at('again.svg'), 'utf8')).toBe(await readFile('docs/pictures/moe-route.svg', 'utf8'));
  });
});

describe('the shipped loads', () => {
  it('are what the documented command makes', async () => {
    const readme = await readFile('examples/loads/README.md', 'utf8');
    const [, args] = /fp8lab (moe generate .*) --out/.exec(readme)!;
    expect((await cli(...args!.split(' '))).out).toBe(await readFile('examples/loads/loads.csv', 'utf8'));
  });
});
