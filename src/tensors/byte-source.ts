import { inputError } from '../errors.ts';

/** Bytes that can be read at any offset: a file, a browser's Blob, a buffer. Nothing is ever read whole unasked. */
export interface ByteSource {
  /** Name for messages: the file's path or name. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; fewer there is an error (`short-read`). The caller may keep and change them. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Frees the file handle, if any; may be called twice. */
  close(): Promise<void>;
}

/** The error of a source that ends before what was asked of it. */
export function shortRead(name: string, offset: number, wanted: number, got: number): Error {
  return inputError(
    `the file ended early: ${wanted} bytes wanted at byte ${offset}, ${got} there`,
    'short-read',
    `${name}, byte ${offset}`,
    'the file was cut or is still being written; fetch it again',
  );
}

/** A buffer as a source. */
export function bufferSource(bytes: Uint8Array | ArrayBuffer, name = 'buffer'): ByteSource {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return {
    name,
    size: view.length,
    async read(offset, length) {
      const part = view.slice(offset, offset + length);
      if (part.length !== length) throw shortRead(name, offset, length, part.length);
      return part;
    },
    async close() {},
  };
}

/** A Blob or File (browser, Deno, Node) as a source; only the ranges asked for are read. */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      const part = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      if (part.length !== length) throw shortRead(name, offset, length, part.length);
      return part;
    },
    async close() {},
  };
}
