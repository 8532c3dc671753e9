/** Programs for 32-bit Linux: Debian's, with the C library that they are linked to, and bare ones. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { InitramfsEntry } from '../../fixtures/initramfs.js'
import { cacheFolder } from '../../machine/firmware/find-firmware.js'

const run = promisify(execFile)
const PACKAGES = ['libc6:i386', 'hello:i386']

/**
 * The folder in which the packages are unpacked, fetched by apt with lists of their own, so that the host's architectures
 * stay as they are; or why there is none.
 */
async function i386Packages(): Promise<{ tree: string } | { missing: string }> {
  const folder = join(cacheFolder(), 'packages-i386')
  const tree = join(folder, 'tree')
  if (existsSync(tree)) return { tree }
  const work = join(folder, randomUUID())
  try {
    for (const path of ['lists/partial', 'archives/partial']) await mkdir(join(work, path), { recursive: true })
    const apt = [
      ...['APT::Architectures::=amd64', 'APT::Architectures::=i386', 'APT::Sandbox::User=root'],
      ...[`Dir::State::lists=${join(work, 'lists')}`, `Dir::Cache=${work}`],
    ].flatMap((option) => ['-o', option])
    // What cannot be fetched of the lists shows when the packages cannot be.
    await run('apt-get', [...apt, 'update'], { cwd: work }).catch(() => {})
    await run('apt-get', [...apt, 'download', ...PACKAGES], { cwd: work })
    for (const file of readdirSync(work).filter((name) => name.endsWith('.deb')))
      await run('dpkg-deb', ['-x', file, 'tree'], { cwd: work })
    await rename(join(work, 'tree'), tree)
    return { tree }
  } catch (error) {
    return { missing: `${PACKAGES.join(' and ')} cannot be had: ${(error as Error).message.split('\n')[0]}` }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** What `hello`, as the first program, needs in its root folder; or why it cannot be had. */
export async function helloAsInit(): Promise<{ entries: InitramfsEntry[] } | { missing: string }> {
  const packages = await i386Packages()
  if ('missing' in packages) return packages
  const file = (path: string): Uint8Array => readFileSync(join(packages.tree, path))
  return {
    entries: [
      ...['lib', 'lib/i386-linux-gnu'].map((path) => ({ path })),
      { path: 'lib/ld-linux.so.2', data: file('lib/i386-linux-gnu/ld-linux.so.2'), executable: true },
      { path: 'lib/i386-linux-gnu/libc.so.6', data: file('lib/i386-linux-gnu/libc.so.6'), executable: true },
      { path: 'init', data: file('usr/bin/hello'), executable: true },
    ],
  }
}

const BASE = 0x8048000
const HEADERS = 0x54

/** An ELF program of one segment that may be written: `code` starts behind its headers, at `BASE + HEADERS`. */
export function elf32(code: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(HEADERS + code.length)
  // e_ident, ET_EXEC, EM_386, version, entry, program headers behind this one.
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1])
  const words = (at: number, ...values: number[]): void => {
    for (const [i, value] of values.entries()) bytes.writeUInt16LE(value, at + i * 2)
  }
  const dwords = (at: number, ...values: number[]): void => {
    for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, at + i * 4)
  }
  words(16, 2, 3)
  dwords(20, 1, BASE + HEADERS, 0x34)
  words(40, 0x34, 0x20, 1)
  // PT_LOAD, offset, addresses, sizes, R+W+X, alignment.
  dwords(0x34, 1, 0, BASE, BASE, bytes.length, bytes.length, 7, 0x1000)
  bytes.set(code, HEADERS)
  return new Uint8Array(bytes)
}

/** nasm source of a program whose thread area begins a page behind a word, which it reads at a negative offset. */
export const BEFORE_THREAD_AREA = `
  bits 32
  org ${BASE + HEADERS}
    ; set_thread_area(&area), then GS: its index, ring 3
    mov eax, 243
    mov ebx, area
    int 0x80
    mov eax, [area]
    lea eax, [eax * 8 + 3]
    mov gs, eax
    ; Base and offset add up past 4 GiB, and wrap.
    mov ebx, [gs:-0x1000]
    xor ebx, 0x5a5a5a5a
    jnz leave
    mov eax, 4
    mov ebx, 1
    mov ecx, text
    mov edx, textend - text
    int 0x80
    mov ebx, 7
  leave: mov eax, 1
    int 0x80
  area: dd -1, word_ + 0x1000, 0xfffff, 0x51
  word_: dd 0x5a5a5a5a
  text: db 'the word in front of GS is right', 10
  textend:
`
