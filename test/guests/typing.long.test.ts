/**
 * Ten thousand characters typed into real guests, none lost and none doubled: each guest sends back the file that it
 * made of them. A BIOS holds 15 keys for a program that does not read them, which DOS does not while it finds its file
 * or writes to it: KVM, where it emulates real mode at about 1 MIPS, then has many to wait for.
 */
import debian from '../../guests/debian-12-i386-installer/guest.js'
import small from '../../guests/freedos/guest.js'
import freedos from '../../guests/freedos-installer/guest.js'
import { describe, expect, stage, test } from '../../harness/vitest/index.js'
import type { Vm } from '../../harness/vm/vm.js'
import { kvmAccess } from '../../machine/cpu/kvm/access.js'

const CHARACTERS = 10_000

const shell = stage(
  'shell',
  {
    guest: debian,
    engine: 'soft',
    memory: 256,
    append: 'vga=normal fb=false nomodeset rdinit=/bin/sh quiet',
    hostTimeout: '40m',
  },
  async (vm) => {
    await expect(vm.screen).toHaveText(/^~ #$/, { timeout: '20m' })
    await vm.keyboard.type('mount -t devtmpfs none /dev\n')
  },
)

const prompt = stage('prompt', { guest: freedos, engine: 'soft', timeout: '1h', hostTimeout: '28m' }, async (vm) => {
  await vm.bootCommand("<wait 'Floppy Edition'>1<wait 'want to proceed'>n<enter>")
  await expect(vm.screen).toHaveText(/^A:\\>$/)
  // From then on FreeDOS halts while it waits for keys, which the host is grateful for.
  await vm.keyboard.type('\\freedos\\bin\\fdapm apmdos\n')
  await expect(vm.screen).toHaveText(/resident/)
})

/** All that a US keyboard has but the space, and of that what means nothing to FreeDOS's command interpreter. */
const ALL = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join('')
const PLAIN = ALL.replaceAll(/["%<>|^,;=/]/g, '')

/** Lines, many characters twice in a row; the same every time. */
function manuscript(length: number, alphabet: string): string {
  let [text, state] = ['', 1]
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 16) % below
  }
  while (text.length < length) {
    const left = Math.min(40 + random(35), length - text.length)
    let line = ''
    while (line.length < left - 1) line += alphabet[random(alphabet.length)].repeat(1 + random(2))
    text += `${line.slice(0, left - 1)}\n`
  }
  return text
}

/** A difference of thousands of characters is better said in few. */
function expectSame(actual: string, expected: string): void {
  const at = [...expected].findIndex((character, i) => actual[i] !== character)
  const around = (text: string) => text.slice(Math.max(0, at - 20), at + 20)
  expect([at, around(actual)]).toEqual([-1, around(expected)])
  expect(actual.length).toBe(expected.length)
}

/** Into a file by `copy con`, which is then sent over COM1. */
async function copied(vm: Vm, text: string): Promise<void> {
  await vm.keyboard.type(`copy con typed\n${text}`)
  await vm.keyboard.press('Control+Z')
  await vm.keyboard.press('Enter')
  await expect(vm.screen).toHaveText(/\^Z\s+A:\\>$/, { timeout: '2m' })
  await vm.keyboard.type('type typed>com1\n')
  await expect(vm.screen).toHaveText(/com1\s+A:\\>$/, { timeout: '10m' })
  expectSame(vm.serial.text().replaceAll('\r\n', '\n'), text)
}

/** Line by line at FreeDOS's prompt into a file, which is then sent over COM1. */
async function echoed(vm: Vm, text: string): Promise<void> {
  const lines = text.trimEnd().split('\n')
  const commands = lines.map((line) => `echo ${line}>>typed\n`).join('')
  await vm.keyboard.type(commands, { timeout: '1h', hostTimeout: '28m' })
  await vm.keyboard.type('type typed>com1\necho done>com1\n')
  await vm.serial.waitFor(/^done$/, { timeout: '5m' })
  expectSame(vm.serial.text().replaceAll('\r\n', '\n'), `${text}done\n`)
}

describe('ten thousand characters', () => {
  test.from(prompt)('arrive at FreeDOS’s prompt', async ({ vm }) => {
    await echoed(vm, manuscript(CHARACTERS, PLAIN))
  })

  test.from(prompt)('arrive in FreeDOS’s copy con', async ({ vm }) => {
    // FreeDOS does not halt while it reads a line for copy con, so this takes long.
    await copied(vm, manuscript(CHARACTERS, ALL))
  })

  test.from(shell)('arrive in Linux’s cat', async ({ vm }) => {
    const text = manuscript(CHARACTERS, ALL)
    await vm.keyboard.type(`cat > /typed\n${text}`, { timeout: '1h', hostTimeout: '25m' })
    await vm.keyboard.press('Control+D')
    await vm.keyboard.type('cat /typed > /dev/ttyS0; echo done > /dev/ttyS0\n')
    await vm.serial.waitFor(/^done$/, { timeout: '5m' })
    expectSame(vm.serial.text().replaceAll('\r\n', '\n'), `${text}done\n`)
  })
})

describe.skipIf(kvmAccess())('ten thousand characters on KVM', () => {
  test.use({ guest: small, engine: 'kvm', timeout: '1h', hostTimeout: '28m' })

  test('arrive in FreeDOS’s copy con', async ({ vm }) => {
    await expect(vm.screen).toHaveText(/^A:\\>$/, { timeout: '5m' })
    await copied(vm, manuscript(CHARACTERS, ALL))
  })
})
