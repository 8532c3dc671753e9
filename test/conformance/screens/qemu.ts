/** A QEMU that is driven over QMP: its keys and mouse, its screen as a picture and as text, its COM1. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { MachineConfig } from '../../../harness/config/machine-config.js'
import { findKey } from '../../../harness/keys/keys.js'
import type { Area } from '../../../harness/picture/screenshot.js'
import type { Display, DisplayMode, Frame, TextScreen } from '../../../machine/devices/display/display.js'

/** The one with 64 bits, as our machine's CPU has them too. */
export const QEMU = 'qemu-system-x86_64'

export function haveQemu(): boolean {
  return spawnSync(QEMU, ['--version'], { stdio: 'ignore' }).status === 0
}

/** QEMU's version, as its first line has it. */
export function qemuVersion(): string {
  return spawnSync(QEMU, ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0]
}

/** The screen at one moment, in the terms in which our own machine's is looked at. */
export class QemuScreen implements Display {
  private looks = 0
  private picture: Frame = { width: 0, height: 0, data: new Uint8Array(0) }
  private cells: TextScreen | undefined
  /** Where the cursor is in its visible phase, by the registers; undefined where there is none. */
  cursor: Area | undefined

  set(picture: Frame, cells: TextScreen | undefined, cursor: Area | undefined): void {
    this.looks++
    this.picture = picture
    this.cells = cells
    this.cursor = cursor
  }

  mode(): DisplayMode {
    const { width, height } = this.picture
    const kind = this.cells ? 'text' : 'graphics'
    return { kind, width, height, columns: this.cells?.columns ?? 0, rows: this.cells?.rows ?? 0, depth: 0 }
  }

  frame(): Frame {
    return this.picture
  }

  text(): TextScreen | undefined {
    return this.cells
  }

  generation(): number {
    return this.looks
  }
}

/** How our CPU and our machine call themselves (`machine/cpu/models.ts`, `machine/firmware/tables/smbios-tables.ts`). */
const CPU = 'max,vendor=GenuineIntel,family=6,model=126,stepping=5,model-id=Bootwright Virtual CPU,l3-cache=off'
const SMBIOS = 'type=1,manufacturer=Bootwright,version=pc-i440fx'

/** The same machine as ours: names, memory, drives and where they are, ports, boot order, the RTC's date. */
export function qemuArguments(config: MachineConfig): string[] {
  const { memory = 0, floppies = [], cdrom, disks = [], kernel, epoch = 1767225600 } = config
  const drive = (path: string | undefined, where: string) => [
    '-drive',
    path === undefined ? where : `${where},format=raw,snapshot=on,file=${path.replaceAll(',', ',,')}`,
  ]
  const date = new Date(epoch * 1000).toISOString().slice(0, 19)
  const present = `${floppies.length ? 'a' : ''}${disks.length ? 'c' : ''}${cdrom ? 'd' : ''}` || 'cad'
  return [
    ...[
      '-M',
      'pc',
      '-accel',
      'tcg',
      '-m',
      `${memory >> 20}`,
      '-smp',
      `${config.cpus ?? 1}`,
      '-nodefaults',
      '-vga',
      'std',
      '-display',
      'none',
    ],
    ...[
      '-icount',
      'shift=3',
      '-cpu',
      CPU,
      '-smbios',
      SMBIOS,
      '-S',
      '-rtc',
      `base=${date},clock=vm`,
      '-parallel',
      'null',
    ],
    // Our machine has A: and a CD drive always; A: without a floppy is a 1.44M drive.
    ...['-global', 'isa-fdc.fallback=144'],
    ...drive(floppies[0]?.path, 'if=floppy,index=0'),
    ...floppies.slice(1).flatMap(({ path }) => drive(path, 'if=floppy,index=1')),
    ...disks.flatMap(({ path }, i) => drive(path, `if=ide,index=${[0, 1, 3][i]}`)),
    ...drive(cdrom?.path, 'if=ide,index=2,media=cdrom'),
    ...(kernel
      ? [
          ...['-kernel', kernel.path, '-append', kernel.append ?? ''],
          ...(kernel.initrd === undefined ? [] : ['-initrd', kernel.initrd]),
          ...(kernel.modules === undefined
            ? []
            : ['-initrd', kernel.modules.map(({ path, append = '' }) => `${path} ${append}`).join(',')]),
        ]
      : ['-boot', `order=${config.bootOrder ?? present}`]),
  ]
}

interface Reply {
  return?: unknown
  error?: { desc: string }
}

const REPLY_MS = 30_000

export class Qemu {
  readonly screen = new QemuScreen()
  private readonly folder = mkdtempSync(join(tmpdir(), 'bootwright-qemu-'))
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>()
  private readonly greeted: Promise<void>
  private nextId = 1
  private complaint = ''
  private serialSeen = 0
  private readonly endWithProcess = () => this.end()

  private constructor(config: MachineConfig, options: readonly string[]) {
    const { folder } = this
    const serials = [
      ...['-chardev', `file,id=com1,path=${join(folder, 'com1')}`, '-serial', 'chardev:com1'],
      ...['-serial', 'null', '-serial', 'null', '-serial', 'null'],
    ]
    this.child = spawn(QEMU, [...qemuArguments(config), ...options, ...serials, '-qmp', 'stdio'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    process.once('exit', this.endWithProcess)
    this.child.stderr?.on('data', (chunk) => {
      this.complaint = `${this.complaint}${chunk}`.slice(-2000)
    })
    // A write to a process that has ended; its end is told by `close`.
    this.child.stdin?.on('error', () => {})
    let greet = () => {}
    this.greeted = new Promise((resolve, reject) => {
      greet = resolve
      const gone = (why: unknown) => {
        const error = new Error(`${QEMU} ended (${why}): ${this.complaint.trim().split('\n').at(-1)}`)
        reject(error)
        for (const { reject: tell } of this.waiting.values()) tell(error)
        this.waiting.clear()
      }
      this.child.on('error', gone)
      this.child.on('close', (code, signal) => gone(signal ?? code))
    })
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const message = JSON.parse(line) as Reply & { QMP?: object; id?: number }
      if (message.QMP) greet()
      if (message.id === undefined) return
      this.waiting.get(message.id)?.resolve(message)
      this.waiting.delete(message.id)
    })
  }

  /** Started with further options of its own, and paused. Rejects with QEMU's own words where it does not start. */
  static async start(config: MachineConfig, options: readonly string[] = []): Promise<Qemu> {
    const qemu = new Qemu(config, options)
    try {
      await qemu.greeted
      await qemu.qmp('qmp_capabilities')
      return qemu
    } catch (error) {
      qemu.end()
      throw error
    }
  }

  end(): void {
    process.off('exit', this.endWithProcess)
    this.child.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }

  async qmp(execute: string, args: object = {}): Promise<unknown> {
    const id = this.nextId++
    let timer: NodeJS.Timeout | undefined
    const reply = new Promise<Reply>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${QEMU} does not answer ${execute}`)), REPLY_MS)
      this.waiting.set(id, { resolve, reject })
    })
    this.child.stdin?.write(`${JSON.stringify({ execute, arguments: args, id })}\n`)
    try {
      const { return: value, error } = await reply
      if (error) throw new Error(`${QEMU}: ${execute}: ${error.desc}`)
      return value
    } finally {
      clearTimeout(timer)
    }
  }

  private monitor(line: string): Promise<unknown> {
    return this.qmp('human-monitor-command', { 'command-line': line })
  }

  /** What COM1 sent since the last call. */
  serial(): Uint8Array {
    const all = readFileSync(join(this.folder, 'com1'))
    const from = this.serialSeen
    this.serialSeen = all.length
    return all.subarray(from)
  }

  key(code: string, down: boolean): Promise<unknown> {
    return this.input([{ type: 'key', data: { down, key: { type: 'qcode', data: qcode(code) } } }])
  }

  move(dx: number, dy: number): Promise<unknown> {
    const axis = (name: string, value: number) => ({ type: 'rel', data: { axis: name, value } })
    return this.input([axis('x', dx), axis('y', dy)])
  }

  button(button: string, down: boolean): Promise<unknown> {
    return this.input([{ type: 'btn', data: { button, down } }])
  }

  private input(events: object[]): Promise<unknown> {
    return this.qmp('input-send-event', { events })
  }

  pause(): Promise<unknown> {
    return this.qmp('stop')
  }

  resume(): Promise<unknown> {
    return this.qmp('cont')
  }

  /** Picture and text of the moment at which it is paused, in `screen`. */
  async look(): Promise<void> {
    const path = join(this.folder, 'screen.ppm')
    await this.qmp('screendump', { filename: path })
    const picture = parsePpm(readFileSync(path))
    const cells = await this.cells(picture)
    this.screen.set(picture, cells, cells?.cursor && (await this.cursor(picture, cells, cells.cursor)))
  }

  /**
   * The text screen; undefined in graphics modes, to which a mode counts that is not the VGA's own. Where it lies and
   * what shape it has is in the VGA's registers, which are read over their ports and left as they were.
   */
  private async cells(picture: Frame): Promise<TextScreen | undefined> {
    if ((await this.register(0x1ce, 4)) & 1) return undefined
    const misc = await this.register(0x3ce, 6)
    if (misc & 1) return undefined
    const crtc = (index: number) => this.register(0x3d4, index)
    const columns = (await crtc(1)) + 1
    const lines = ((await crtc(9)) & 0x1f) + 1
    const rows = Math.floor(picture.height / lines)
    const start = ((await crtc(0x0c)) << 8) | (await crtc(0x0d))
    const pitch = (await crtc(0x13)) * 2
    const [base, size] = (misc >> 2) & 2 ? [(misc >> 2) & 1 ? 0xb8000 : 0xb0000, 0x8000] : [0xa0000, 0x10000]
    const path = join(this.folder, 'text')
    await this.qmp('pmemsave', { val: base, size, filename: path })
    const memory = readFileSync(path)
    const at = (row: number, column: number) => ((start + row * pitch + column) * 2) % size
    const cells = Array.from({ length: rows * columns }, (_, i) => {
      const byte = at(Math.floor(i / columns), i % columns)
      const [code, attribute] = [memory[byte], memory[byte + 1]]
      return { code, foreground: attribute & 15, background: attribute >> 4, blink: false }
    })
    const cursor = ((await crtc(0x0e)) << 8) | (await crtc(0x0f))
    const [row, column] = [Math.floor((cursor - start) / pitch), (cursor - start) % pitch]
    const seen = row >= 0 && row < rows && column < columns
    return { columns, rows, cells, ...(seen && { cursor: { column, row } }) }
  }

  /** The lines of the cursor's cell from its start register to its end register. */
  private async cursor(
    { width, height }: Frame,
    { columns, rows }: TextScreen,
    { column, row }: { column: number; row: number },
  ): Promise<Area | undefined> {
    const [first, last] = [await this.register(0x3d4, 0x0a), (await this.register(0x3d4, 0x0b)) & 0x1f]
    const [wide, tall] = [width / columns, Math.floor(height / rows)]
    const lines = Math.min(last, tall - 1) - (first & 0x1f) + 1
    if (first & 0x20 || lines <= 0) return undefined
    return { x: column * wide, y: row * tall + (first & 0x1f), width: wide, height: lines }
  }

  /** An indexed register; the index is put back. */
  private async register(port: number, index: number): Promise<number> {
    // The Bochs VBE's pair is 16 bits wide, the VGA's are 8.
    const size = port === 0x1ce ? 'h' : 'b'
    const read = async (at: number) =>
      Number(/= (0x[0-9a-f]+)/.exec((await this.monitor(`i /${size} ${at}`)) as string)?.[1])
    const before = await read(port)
    await this.monitor(`o /${size} ${port} ${index}`)
    const value = await read(port + 1)
    await this.monitor(`o /${size} ${port} ${before}`)
    return value
  }
}

function parsePpm(bytes: Uint8Array): Frame {
  const head = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(Buffer.from(bytes.subarray(0, 40)).toString('latin1'))
  if (!head) throw new Error('screendump wrote no PPM')
  const [width, height] = [Number(head[1]), Number(head[2])]
  const data = new Uint8Array(width * height * 4)
  for (let from = head[0].length, to = 0; to < data.length; from += 3, to += 4) {
    data[to] = bytes[from]
    data[to + 1] = bytes[from + 1]
    data[to + 2] = bytes[from + 2]
    data[to + 3] = 255
  }
  return { width, height, data }
}

/** The names of QEMU that differ from W3C's codes, for the keys that guests' levels type. */
const QCODES =
  'esc ret spc tab backspace minus equal comma dot slash semicolon apostrophe grave_accent backslash bracket_left ' +
  'bracket_right shift shift_r ctrl ctrl_r alt alt_r up down left right home end pgup pgdn insert delete f1 f2 f3 f4 f5 ' +
  'f6 f7 f8 f9 f10 f11 f12'
const qcodes = new Map(QCODES.split(' ').map((name) => [findKey(name), name]))

function qcode(code: string): string {
  const plain = /^(?:Key|Digit)(.)$/.exec(code)?.[1].toLowerCase()
  const name = plain ?? qcodes.get(code)
  if (name === undefined) throw new Error(`the key ${code} is not in this runner's table of QEMU's names`)
  return name
}
