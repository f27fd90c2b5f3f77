import { describe, expect, it } from 'vitest';
import { findMissing } from '../../src/backends/findings.ts';
import { inspectMachine, type Machine } from '../../src/backends/machine.ts';
import { type DoctorReport, doctorCommand, doctorExitCode, formatDoctor } from '../../src/cli/doctor.ts';
import { ensureBuilt } from '../helpers/dist.ts';

const machine: Machine = { ...inspectMachine({}), browsers: [], vulkan: [], gpuDevices: [], tools: [], root: false };
const report: DoctorReport = {
  schemaVersion: 1,
  machine,
  versions: [],
  gpus: [],
  missing: findMissing(machine),
  backends: [
    { name: 'reference', works: true },
    { name: 'webgpu:chromium', works: false, error: { code: 'no-browser', message: 'no browser', where: '', fix: '' } },
  ],
};

describe('doctor', () => {
  it('prints what is missing with the command that mends it', () => {
    const text = formatDoctor(report);
    expect(text).toContain('no  webgpu:chromium  no browser');
    for (const { what, command } of report.missing) {
      expect(text).toContain(what);
      expect(text).toContain(command);
    }
    expect(text).toContain('none found: WebGPU runs on the CPU');
  });

  it('ends with 3 where something needed is missing or broken, else with 0', () => {
    expect(doctorExitCode(report)).toBe(3);
    expect(doctorExitCode({ ...report, backends: [{ name: 'reference', works: true }], missing: [] })).toBe(0);
    expect(doctorExitCode({ ...report, missing: [] })).toBe(3);
    const optional = report.missing.filter(({ needed }) => !needed);
    expect(doctorExitCode({ ...report, backends: [], missing: optional })).toBe(0);
  });

  it('starts every backend of this machine and says which flags gave an adapter', async () => {
    await ensureBuilt('runner');
    let text = '';
    const io = {
      stdout: (chunk: string) => {
        text += chunk;
      },
      stderr: () => {},
      isTTY: false,
      env: process.env,
      signal: new AbortController().signal,
    };
    const code = await doctorCommand({ json: true }, io);
    const seen = JSON.parse(text) as DoctorReport;
    expect(seen.schemaVersion).toBe(1);
    const webgpu = seen.backends.filter(({ name }) => name.startsWith('webgpu:'));
    expect(webgpu).toHaveLength(3);
    for (const backend of webgpu) expect(backend).toMatchObject({ works: true, launch: expect.stringMatching(/./) });
    expect(code).toBe(0);
  });
});
