import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { shellWord } from '../../src/cli/shell.ts';

it.each(['plain/path-1.json', 'my dir/ü spec.json', "it's", '$(touch x); `y`', ''])(
  'a shell reads the word %j back as it was',
  (word) => {
    expect(execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word);
  },
);
