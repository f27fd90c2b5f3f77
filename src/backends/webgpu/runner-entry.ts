// Entry of dist/runner.js: the one file that Node, Deno and a page run.
import { serveHere } from './hosts.ts';
import { standardJobs } from './jobs.ts';

await serveHere(standardJobs);
