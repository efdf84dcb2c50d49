import type { Reporter, TestModule } from 'vitest/node';

/** Ends the run with one plain line, `N passed, N failed`, that scripts can read without parsing colours. */
export default class PlainLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[test.result().state]++;
      // Files that did not load, and suites whose hooks failed, have no test to count.
      const groups = [module, ...module.children.allSuites()];
      counts.failed += groups.filter((group) => group.errors().length > 0).length;
    }
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    process.on('exit', () => console.log(`\n${counts.passed} passed, ${counts.failed} failed${skipped}`));
  }
}
