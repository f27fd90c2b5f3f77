import { type Matrix, zeroMatrix } from './matrix.ts';

/**
 * Mean cross-entropy in nats of logits [tokens, vocabulary] against the tokens that came, and its gradient.
 * Each row is shifted by its largest logit.
 */
export function crossEntropy(logits: Matrix, expected: Uint8Array): { loss: number; gradient: Matrix } {
  const { rows, columns, values } = logits;
  const gradient = zeroMatrix(logits, rows, columns);
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const at = row * columns;
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = at; i < at + columns; i++) largest = Math.max(largest, values[i]!);
    let sum = 0;
    for (let i = at; i < at + columns; i++) sum += Math.exp(values[i]! - largest);
    const correct = at + expected[row]!;
    loss += Math.log(sum) + largest - values[correct]!;
    for (let i = at; i < at + columns; i++) gradient.values[i] = Math.exp(values[i]! - largest) / sum / rows;
    gradient.values[correct] = gradient.values[correct]! - 1 / rows;
  }
  return { loss: loss / rows, gradient };
}
