/** The include folder that has cuda_fp8.h, cuda_fp6.h and cuda_fp4.h, or undefined. */
export function findCudaHeaders(): string | undefined;

/** Compiles the program into a folder: its path, or what this machine lacks. */
export function buildCudaHost(
  folder: string,
): { program: string; missing?: undefined } | { program?: undefined; missing: string };
