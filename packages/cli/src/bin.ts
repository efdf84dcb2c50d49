#!/usr/bin/env node
import { main } from './program.ts';

// Whoever reads our output may stop reading.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await main();
