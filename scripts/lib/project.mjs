import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** A path inside the project. */
export const inProject = (...parts) => join(root, ...parts);

/** A clone has the sources; an installed package has only dist/. */
export const hasSources = () => existsSync(inProject('src'));

/** True for `main` run as a program, false when it is imported. */
export const isMain = (importMeta) => process.argv[1] === fileURLToPath(importMeta.url);
