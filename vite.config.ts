import { defineConfig } from 'vite';

/** The page: `npm run dev` serves it, `scripts/build.mjs` writes it to dist/page. Relative addresses, so that it runs from any folder. */
export default defineConfig({
  base: './',
  build: { outDir: 'dist/page', emptyOutDir: true, target: 'es2022' },
  worker: { format: 'es' },
});
