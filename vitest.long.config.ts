import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.long.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 20 * 60_000,
    hookTimeout: 10 * 60_000,
    // Vite would take clipanion's ES build, which imports folders.
    server: { deps: { inline: ['clipanion'] } },
    pool: 'forks',
    maxWorkers: 1,
  },
});
