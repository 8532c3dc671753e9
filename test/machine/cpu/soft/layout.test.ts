import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
// @ts-expect-error plain JavaScript, which runs before anything is built
import { layout } from '../../../../scripts/generate-layout.js'

test("layout.ts is what the core's sources say", () => {
  expect(readFileSync(new URL('../../../../machine/cpu/soft/layout.ts', import.meta.url), 'utf8')).toBe(layout())
})
