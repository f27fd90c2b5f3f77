import { defineConfig, type Plugin } from 'vite';

/** The development server puts styles into the page and talks to it through a socket; the built page does neither. */
const developmentPolicy: Plugin = {
  name: 'development-policy',
  apply: 'serve',
  transformIndexHtml: (html) =>
    html
      .replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
      .replace("connect-src 'self'", "connect-src 'self' ws:"),
};

/** The page: `npm run dev` serves it, `scripts/build.mjs` writes it to dist/page. Relative addresses, so that it runs from any folder. */
export default defineConfig({
  base: './',
  plugins: [developmentPolicy],
  build: { outDir: 'dist/page', emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 },
  worker: { format: 'es' },
});
