/**
 * barotto/test386.asm: a BIOS image that tests a CPU from real mode to rings and paging, tells its progress at the POST
 * port and prints the results of a series of arithmetic and logic at another port. `npm run conformance -- test386
 * FOLDER` takes the folder of a checkout with the built test386.bin and test386-EE-reference.txt; --qemu runs QEMU's TCG, --v86 v86.
 *
 * Build it with `OUT_PORT equ 0xE9` in src/configuration.asm, so that there is a text to compare.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ARENA_GUEST } from '../../../machine/cpu/soft/layout.js'
import { BareCpu } from '../../machine/cpu/driver.js'

const POST_PORT = 0x190
const TEXT_PORT = 0xe9
const DONE = 0xff
const MIB = 1 << 20
/** Far more than it needs. */
const LONGEST = 2e9
const QEMU_SECONDS = 60
/** v86 is taken to have stopped when so long no POST code came. */
const V86_SECONDS = 20

/** As much of v86 as is used here. */
interface V86 {
  add_listener(event: string, listener: () => void): void
  run(): void
  destroy(): Promise<void>
  v86: { cpu: { io: { register_write(port: number, device: object, write: (value: number) => void): void } } }
}

interface Progress {
  /** POST codes in order. */
  posts: number[]
  text: string
  end: string
}

export async function test386(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { qemu: { type: 'boolean' }, v86: { type: 'boolean' }, cpu: { type: 'string' } },
  })
  const folder = positionals[0] ?? ''
  const image = join(folder, 'test386.bin')
  const reference = join(folder, 'test386-EE-reference.txt')
  for (const file of [image, reference]) {
    if (!existsSync(file)) throw new Error(`test386 needs a built checkout, and there is no ${file}`)
  }
  const { posts, text, end } = values.qemu
    ? onQemu(image)
    : values.v86
      ? await onV86(readFileSync(image))
      : onSoft(readFileSync(image), values.cpu)
  const last = posts.at(-1) ?? 0
  console.log(`POST ${posts.map((post) => post.toString(16).padStart(2, '0')).join(' ')}`)
  console.log(last === DONE ? 'completed' : `ended at POST ${last.toString(16)}: ${end}`)
  const lines = text.split(/\r?\n/).filter((line) => line !== '')
  const expected = readFileSync(reference, 'latin1')
    .split(/\r?\n/)
    .filter((line) => line !== '')
  const different = expected.filter((line, i) => line !== lines[i]).length
  console.log(
    lines.length === 0
      ? 'no results at port E9h: build it with OUT_PORT equ 0xE9'
      : `arithmetic: ${expected.length - different} of ${expected.length} lines equal the reference`,
  )
  return last === DONE && different === 0 ? 0 : 1
}

/** The image lies below 1 MiB and below 4 GiB, as a BIOS does; the rest is RAM. */
function onSoft(image: Uint8Array, model?: string): Progress {
  const posts: number[] = []
  let text = ''
  const cpu = new BareCpu(
    4 * MIB,
    {
      portWrite: (port, value) => {
        if (port === POST_PORT) posts.push(value & 0xff)
        else if (port === TEXT_PORT) text += String.fromCharCode(value & 0xff)
      },
    },
    model,
  )
  cpu.ram.set(image, MIB - image.length)
  const rom = { size: image.length, offset: ARENA_GUEST + MIB - image.length, kind: 'rom' as const }
  cpu.engine.setMemory([
    { address: 0, size: MIB - image.length, offset: ARENA_GUEST, kind: 'ram' },
    { ...rom, address: MIB - image.length },
    { address: MIB, size: 3 * MIB, offset: ARENA_GUEST + MIB, kind: 'ram' },
    { ...rom, address: 2 ** 32 - image.length },
  ])
  let end = 'it went on without coming to an end'
  while (cpu.engine.instructions() < LONGEST && posts.at(-1) !== DONE) {
    const { reason } = cpu.run(1e6)
    if (reason === 'budget') continue
    end = reason
    break
  }
  return { posts, text, end }
}

function onQemu(image: string): Progress {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-test386-'))
  try {
    const [post, text] = ['post', 'text'].map((name) => join(folder, name))
    const console_ = (id: string, file: string, port: number) => [
      ...['-chardev', `file,id=${id},path=${file}`],
      ...['-device', `isa-debugcon,chardev=${id},iobase=${port}`],
    ]
    spawnSync(
      'qemu-system-i386',
      [
        ...['-M', 'isapc', '-nodefaults', '-accel', 'tcg', '-display', 'none', '-m', '4', '-no-reboot', '-bios', image],
        ...[...console_('post', post, POST_PORT), ...console_('text', text, TEXT_PORT)],
      ],
      { timeout: QEMU_SECONDS * 1000, killSignal: 'SIGKILL' },
    )
    return { posts: [...readFileSync(post)], text: readFileSync(text, 'latin1'), end: 'no further POST code came' }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function onV86(image: Uint8Array): Promise<Progress> {
  const { resolve } = createRequire(import.meta.url)
  const { V86 } = (await import(resolve('v86/build/libv86.mjs'))) as { V86: new (options: object) => V86 }
  const posts: number[] = []
  let text = ''
  const emulator = new V86({
    wasm_path: resolve('v86/build/v86.wasm'),
    memory_size: 4 * MIB,
    vga_memory_size: MIB,
    bios: { buffer: new Uint8Array(image).buffer },
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
    autostart: false,
    log_level: 0,
  })
  await new Promise<void>((ready) => emulator.add_listener('emulator-ready', ready))
  await new Promise<void>((stopped) => {
    let timer = setTimeout(stopped, V86_SECONDS * 1000)
    const { io } = emulator.v86.cpu
    io.register_write(POST_PORT, {}, (value) => {
      posts.push(value & 0xff)
      clearTimeout(timer)
      timer = setTimeout(stopped, value === DONE ? 0 : V86_SECONDS * 1000)
    })
    io.register_write(TEXT_PORT, {}, (value) => {
      text += String.fromCharCode(value & 0xff)
    })
    emulator.run()
  })
  await emulator.destroy()
  return { posts, text, end: 'no further POST code came' }
}
