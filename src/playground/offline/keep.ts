/**
 * Keeps the built page for use without a network, once it has loaded. Resolves to true when every file of the build is kept, to false where
 * the browser keeps none. The development server's page is never kept.
 */
export async function keepOffline(): Promise<boolean> {
  if (import.meta.env.MODE === 'development' || !('serviceWorker' in navigator)) return false;
  await loaded();
  try {
    await navigator.serviceWorker.register('./service-worker.js', { scope: './', updateViaCache: 'none' });
    await navigator.serviceWorker.ready;
    return true;
  } catch {
    // A private window, or a host that serves no script: the page works online all the same.
    return false;
  }
}

/** Resolves once the page has loaded: keeping it must not delay it. */
const loaded = (): Promise<void> =>
  new Promise((done) => {
    if (document.readyState === 'complete') done();
    else addEventListener('load', () => done(), { once: true });
  });
