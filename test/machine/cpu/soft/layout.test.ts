import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..')

test("layout.ts is what the core's sources say", () => {
  const text = execFileSync(process.execPath, ['scripts/generate-layout.js', '--print'], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(readFileSync(join(root, 'machine/cpu/soft/layout.ts'), 'utf8')).toBe(text)
})
