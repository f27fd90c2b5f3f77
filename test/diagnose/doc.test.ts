import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/run-cli.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { temporaryFolder } from '../helpers/folder.ts';

const text = readFileSync(new URL('../../docs/diagnose.md', import.meta.url), 'utf8');

/** Commands of the document, each with the output that stands under it. */
const walks = [...text.matchAll(/## (.+)\n[^#]*?```sh\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/g)].map(
  ([, title, commands, output]) => [title!, commands!, output!] as const,
);

/** Runs the commands of one walk in a folder; gives what the last one printed. Lines that are not fp8lab's go to a shell, together. */
async function walk(commands: string, folder: string): Promise<string> {
  const inFolder = (word: string): string => (/\.(json|safetensors)$/.test(word) ? join(folder, word) : word);
  let output = '';
  let shell = '';
  for (const line of commands.split('\n')) {
    if (!line.startsWith('fp8lab ')) {
      shell += `${line}\n`;
      continue;
    }
    expect(spawnSync('bash', ['-c', shell], { cwd: folder }).status).toBe(0);
    shell = '';
    const io = recordedIo();
    const words = line.trim().split(' ').slice(1).map(inFolder);
    const time = words[0] === 'diagnose' ? ['--budget', '300'] : [];
    const { code } = await runCli([...words, ...time], io);
    expect(io.err()).toBe('');
    expect(code).toBe(0);
    output = io.out();
  }
  return output.replaceAll(`${folder}/`, '');
}

describe('docs/diagnose.md', () => {
  it('walks through three disagreements', () => {
    expect(walks.map(([title]) => title)).toHaveLength(3);
  });

  it.each(walks)('%s: the commands print what the page says', { timeout: 300_000 }, async (_, commands, output) => {
    expect(await walk(commands, temporaryFolder())).toBe(output);
  });
});
