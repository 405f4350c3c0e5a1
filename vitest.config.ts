import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.long.test.ts', '**/node_modules/**'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 240_000,
    // Vite would take clipanion's ES build, which imports folders.
    server: { deps: { inline: ['clipanion'] } },
    pool: 'forks',
    // One more than the cores of a small machine: some tests wait for others' patience.
    maxWorkers: 3,
  },
});
