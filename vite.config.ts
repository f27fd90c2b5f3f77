import { defineConfig, type Plugin } from 'vite';
import { serviceWorkerName, stampServiceWorker } from './scripts/lib/precache.mjs';

/** The development server puts styles into the page and talks to it through a socket; the built page does neither. */
const developmentPolicy: Plugin = {
  name: 'development-policy',
  apply: 'serve',
  transformIndexHtml: (html) =>
    html
      .replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
      .replace("connect-src 'self'", "connect-src 'self' ws:"),
};

/** The built page works offline: its service worker is told every file that the build wrote. */
const offline: Plugin = {
  name: 'offline',
  apply: 'build',
  writeBundle: { order: 'post', sequential: true, handler: ({ dir }) => void stampServiceWorker(dir!) },
};

/** The page: `npm run dev` serves it, `scripts/build.mjs` writes it to dist/page. Relative addresses, so that it runs from any folder. */
export default defineConfig({
  base: './',
  plugins: [developmentPolicy, offline],
  build: {
    outDir: 'dist/page',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: { index: 'index.html', 'service-worker': 'src/playground/offline/service-worker.ts' },
      output: {
        entryFileNames: ({ name }) => (name === 'service-worker' ? serviceWorkerName : 'assets/[name]-[hash].js'),
      },
    },
  },
  worker: { format: 'es' },
});
