export declare function embeddedCubin(object: Uint8Array): Uint8Array;
export declare function countOpcodes(bytes: Uint8Array): Record<string, Record<string, number>>;
export declare function readResources(
  log: string,
): Record<string, { registers: number; stack: number; spills: number }>;
export declare function lostPerformance(log: string): string[];
export declare function kernelName(mangled: string): string;
