/** Options of vitest's that go to workers with a file of tests: none of them names a file or a program. */

const PASSES = {
  testNamePattern: /^[\s\S]{1,500}$/,
  project: /^[\w .*/-]{1,100}$/,
  retry: /^\d{1,3}$/,
  testTimeout: /^\d{1,9}$/,
}

/** As a person writes them. */
export const PASSED_ON = ['-t', ...Object.keys(PASSES).map((name) => `--${name}`)]

/** @param option `--name=value`. */
export function isPassedOn(option: string): boolean {
  const [, name, value] = /^--(\w+)=([\s\S]*)$/.exec(option) ?? []
  return name !== undefined && Object.hasOwn(PASSES, name) && PASSES[name as keyof typeof PASSES].test(value)
}
