import type { RunShaders } from '../../../backends/webgpu/dry-run.ts';
import { type Control, choice } from '../../ui/controls.ts';
import { fill, h } from '../../ui/dom.ts';

/** The chooser of shaders: those that the spec dispatches first, in their order. */
export interface ShaderChoice extends Control<string> {
  /** Lists all shaders under what the spec does with them. */
  list(paths: readonly string[], run: RunShaders): void;
}

/** Builds an empty chooser. */
export function shaderChoice(onChange: (path: string) => void): ShaderChoice {
  const { element, show } = choice({ label: 'Shader', choices: [] as string[], onChange });
  let chosen = '';
  return {
    element,
    show(path) {
      chosen = path;
      show(path);
    },
    list(paths, { dispatched, included }) {
      const rest = paths.filter((path) => !dispatched.includes(path) && !included.includes(path));
      const group = (label: string, members: readonly string[]) =>
        members.length > 0 &&
        h(
          'optgroup',
          { label },
          members.map((path) => h('option', { value: path }, `${path}.wgsl`)),
        );
      const known = dispatched.length > 0;
      fill(
        element.querySelector('select')!,
        group('Dispatched by this spec, in order', dispatched),
        group('Included by these', [...included].sort()),
        group(known ? 'Not run by this spec' : 'All', rest),
      );
      show(chosen);
    },
  };
}

/** Changed shaders that a spec does not run: their bits are not looked at. */
export function notRun(changed: Iterable<string>, { dispatched, included }: RunShaders): string[] {
  if (dispatched.length === 0) return [];
  return [...changed].filter((path) => !dispatched.includes(path) && !included.includes(path));
}
