/**
 * 32-bit programs on a 64-bit kernel, that is in compatibility mode: Debian's installer's kernel with such a program as its
 * /init. glibc keeps each thread's data in front of GS's base, so every program reaches them by an address that wraps.
 */
import { expect, test } from 'vitest'
import { buildInitramfs, type InitramfsEntry } from '../../fixtures/initramfs.js'
import { debianFiles } from '../../guests/debian-12.js'
import { openMachine } from '../../harness/config/machine-config.js'
import { defineGuest, guestMachine } from '../../harness/guest/guest.js'
import { built, findMedium, MissingMediaError } from '../../harness/guest/guest-media.js'
import { serial } from '../../harness/vm/conditions.js'
import { createMachine } from '../../machine/create-machine.js'
import { assemble, haveNasm } from '../machine/cpu/driver.js'
import { runTo } from '../slices.js'
import { BEFORE_THREAD_AREA, elf32, helloAsInit } from './i386-programs.js'

const { image } = debianFiles('amd64')
const HOUR = 3_600_000
const STRIDE = 50e6

const noKernel = await findMedium(image).then(
  () => undefined,
  (error) => {
    if (error instanceof MissingMediaError) return error.message
    throw error
  },
)
const hello = noKernel ? { missing: noKernel } : await helloAsInit()

/** What COM1 says up to the end of /init, at which the kernel panics. */
async function runInit(name: string, entries: readonly InitramfsEntry[]): Promise<string> {
  const guest = defineGuest({
    name,
    title: name,
    family: 'Linux',
    licence: 'GPL-2.0-only',
    machine: {
      memory: 256,
      kernel: {
        image,
        initrd: built(`${name}-initramfs`, [], () => buildInitramfs(entries)),
        append: 'console=ttyS0,115200 quiet panic=-1',
      },
    },
    levels: [{ name: 'end', title: '/init has come to its end', until: serial(/exitcode=/) }],
  })
  let text = ''
  const config = { ...(await guestMachine(guest)), engine: 'soft' as const, cpus: 1 }
  const onSerial = (_port: number, byte: number): void => {
    text += String.fromCharCode(byte)
  }
  const { machine } = openMachine(config, { onSerial }, createMachine)
  try {
    const end = machine.now() + 300e9
    while (!/exitcode=0x\w+/.test(text) && machine.now() < end) runTo(machine, machine.now() + STRIDE)
  } finally {
    machine.close()
  }
  return text
}

test.skipIf('missing' in hello)(
  `a program linked to glibc prints its line and exits${'missing' in hello ? ` (skipped: ${hello.missing})` : ''}`,
  async () => {
    if ('missing' in hello) return
    const text = await runInit('i386-hello', hello.entries)
    expect(text).toContain('Hello, world!')
    expect(text).toContain('exitcode=0x00000000')
  },
  HOUR,
)

const why = noKernel ?? (haveNasm ? undefined : 'nasm is not here')
test.skipIf(why)(
  `what lies in front of a thread area is found there${why ? ` (skipped: ${why})` : ''}`,
  async () => {
    const data = elf32(assemble(BEFORE_THREAD_AREA))
    const text = await runInit('i386-thread-area', [{ path: 'init', data, executable: true }])
    expect(text).toContain('the word in front of GS is right')
    expect(text).toContain('exitcode=0x00000700')
  },
  HOUR,
)
