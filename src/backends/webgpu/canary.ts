/** What fresh buffers hold: a kernel that does not write its result is seen, and so is one that writes past it. */

/** Words behind every allocated buffer that no kernel may touch. */
export const CANARY_WORDS = 16;

/** Word that fills buffers before a kernel writes them; NaN-like in no format's ordinary results. */
export const POISON = 0xb5c3a569;

/** The canary words. */
export const canaryPattern: Uint32Array<ArrayBuffer> = Uint32Array.from(
  { length: CANARY_WORDS },
  (_, i) => (0xc0ffee00 + 0x01010101 * i) >>> 0,
);

/** Whether canary words read back are as they were written. */
export function canaryIntact(words: Uint32Array): boolean {
  return words.length === CANARY_WORDS && words.every((word, i) => word === canaryPattern[i]);
}

const piece = 2 ** 18;

/** Fills the first `words` words of a buffer, a piece at a time. */
export function fillWords(device: GPUDevice, buffer: GPUBuffer, words: number, value: number): void {
  const pattern = new Uint32Array(Math.min(words, piece)).fill(value);
  for (let start = 0; start < words; start += piece) {
    device.queue.writeBuffer(buffer, 4 * start, pattern, 0, Math.min(piece, words - start));
  }
}
