import { describe, expect, test } from 'vitest'
import { compareLines } from './compare.js'
import { cpioArchive, S_IFCHR, S_IFREG } from './cpio.js'

const EXPECTED = 'addl A=1 R=2\naddl A=2 R=3\nlarw: Z=1 3000\n'

describe('two outputs of test-i386', () => {
  test('are equal but for the kernel’s messages', () => {
    const results = compareLines(
      EXPECTED,
      `[    0.100000] hello\n${EXPECTED}[   10.200000] Kernel panic - not syncing: x\n`,
    )
    expect(results).toEqual([
      { name: 'addl', lines: 2, differences: [] },
      { name: 'larw', lines: 1, differences: [] },
    ])
  })

  test('show what differs, is missing, and is too much', () => {
    expect(compareLines(EXPECTED, 'addl A=1 R=2\naddl A=2 R=4\n')).toMatchObject([
      { name: 'addl', differences: [{ expected: 'addl A=2 R=3', actual: 'addl A=2 R=4' }] },
      { name: 'larw', differences: [{ expected: 'larw: Z=1 3000', actual: undefined }] },
    ])
    expect(compareLines(EXPECTED, `${EXPECTED}more\n`).at(-1)).toEqual({
      name: 'more',
      lines: 0,
      differences: [{ expected: undefined, actual: 'more' }],
    })
  })

  test('that have moved against each other by a line differ only there', () => {
    const lines = ['a 1', 'b 1', 'c 1', 'd 1', 'e 1', 'f 1']
    const results = compareLines(lines.join('\n'), lines.toSpliced(1, 1).join('\n'))
    expect(results.filter(({ differences }) => differences.length > 0)).toEqual([
      { name: 'b', lines: 1, differences: [{ expected: 'b 1', actual: undefined }] },
    ])
  })
})

describe('a cpio archive', () => {
  test('has entries of headers, names and data, each filled up to four bytes', () => {
    const archive = cpioArchive([
      { name: 'dev/console', mode: S_IFCHR | 0o600, device: [5, 1] },
      { name: 'init', mode: S_IFREG | 0o755, data: new TextEncoder().encode('hello') },
    ])
    const zeros = (n: number) => '00000000'.repeat(n)
    expect(new TextDecoder().decode(archive)).toBe(
      [
        `07070100000001${'00002180'}${zeros(2)}00000001${zeros(4)}00000005000000010000000c${zeros(1)}dev/console\0\0\0`,
        `07070100000002${'000081ed'}${zeros(2)}00000001${zeros(1)}00000005${zeros(4)}00000005${zeros(1)}init\0\0hello\0\0\0`,
        `07070100000003${zeros(3)}00000001${zeros(6)}0000000b${zeros(1)}TRAILER!!!\0\0\0\0`,
      ].join(''),
    )
  })
})
