import type { PageModule } from '../page.ts';

/** A page in the navigation, loaded when it is asked for. */
export interface PageEntry {
  readonly name: string;
  readonly title: string;
  load(): Promise<PageModule<never>>;
}

const entry = <S extends object>(
  name: string,
  title: string,
  load: () => Promise<{ page: PageModule<S> }>,
): PageEntry => ({
  name,
  title,
  load: async () => (await load()).page as unknown as PageModule<never>,
});

/** The pages in the order of the navigation: from a number to a kernel. */
export const pages: readonly PageEntry[] = [
  entry('formats', 'Formats', () => import('./formats/page.ts')),
  entry('quantize', 'Quantize', () => import('./quantize/page.ts')),
  entry('tensor-core', 'Tensor core', () => import('./tensor-core/page.ts')),
  entry('parity', 'Gemm and parity', () => import('./parity/page.ts')),
  entry('routing', 'Routing', () => import('./routing/page.ts')),
  entry('deployment', 'Deployment', () => import('./deployment/page.ts')),
  entry('workbench', 'Workbench', () => import('./workbench/page.ts')),
  entry('studies', 'Studies', () => import('./studies/page.ts')),
];
