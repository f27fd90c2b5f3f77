export function isNodeSupported(version: string): boolean;
export function missingPackages(): string[];
