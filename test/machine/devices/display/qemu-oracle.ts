/**
 * QEMU's stdvga as an oracle: a boot sector carries out a list of port, memory and int 10h operations in a real
 * QEMU, which gives back the picture, the video memory and what was read. Everything is built at run time.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Frame } from '../../../../machine/devices/display/display.js'

/** One operation; memory offsets count from 0xa0000. */
export type Op =
  | { op: 'out'; port: number; value: number; size: 1 | 2 }
  /** `count` reads (1 if left out), whose results go to the list of results. */
  | { op: 'in'; port: number; size: 1 | 2; count?: number }
  /** A read for its side effect. */
  | { op: 'touch'; port: number }
  | { op: 'write'; offset: number; value: number; size: 1 | 2 | 4 }
  | { op: 'read'; offset: number; size: 1 | 2 | 4 }
  | { op: 'int10'; ax: number; bx: number }
  /** Byte `i` of `count` from `offset` on becomes `i * step + (i >> 8)`. */
  | { op: 'fill'; offset: number; count: number; step: number }
  /** A picture is taken, `after` so many ms. */
  | { op: 'shot'; after?: number }

export interface Picture {
  width: number
  height: number
  /** RGB. */
  data: Uint8Array
}

export interface Shot {
  picture: Picture
  /** The first bytes of the video memory. */
  vram: Uint8Array
  /** All results up to here. */
  results: Uint32Array
}

export const haveQemu = ['qemu-system-i386', 'nasm'].every((tool) => {
  return spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined
})

const LOADER = `
bits 16
org 0x7c00
  jmp 0:start
start:
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7c00
  cld
  mov bp, 4
load:
  mov ah, 0x42
  mov si, packet
  int 0x13
  add word [packet + 6], 0x400
  add word [packet + 8], 32
  dec bp
  jnz load
  mov ax, 0x1000
  mov ds, ax
  mov ax, 0x2000
  mov fs, ax
  xor si, si
  xor bp, bp
next:
  mov al, [si]
  mov cl, [si + 1]
  mov dx, [si + 2]
  mov ebx, [si + 4]
  add si, 8
  push ds
  cmp al, 1
  je op_out
  cmp al, 2
  je op_in
  cmp al, 3
  je op_write
  cmp al, 4
  je op_read
  cmp al, 5
  je op_int
  cmp al, 6
  je op_shot
  cmp al, 7
  je op_touch
  cmp al, 8
  je op_fill
  mov al, 'E'
  out 0xe9, al
  cli
  hlt
done:
  pop ds
  jmp next
op_out:
  mov eax, ebx
  cmp cl, 2
  je .word
  out dx, al
  jmp done
.word:
  out dx, ax
  jmp done
op_in:
  xor eax, eax
  cmp cl, 2
  je .word
  in al, dx
  jmp .store
.word:
  in ax, dx
.store:
  mov [fs:bp], eax
  add bp, 4
  dec ebx
  jnz op_in
  jmp done
store:
  mov [fs:bp], eax
  add bp, 4
  jmp done
op_touch:
  in al, dx
  jmp done
segment_:
  mov ax, 0xa000
  test cl, 0x80
  jz .low
  mov ax, 0xb000
.low:
  mov ds, ax
  mov di, dx
  and cl, 0x7f
  ret
op_write:
  call segment_
  mov eax, ebx
  cmp cl, 2
  je .word
  cmp cl, 4
  je .dword
  mov [di], al
  jmp done
.word:
  mov [di], ax
  jmp done
.dword:
  mov [di], eax
  jmp done
op_read:
  call segment_
  xor eax, eax
  cmp cl, 2
  je .word
  cmp cl, 4
  je .dword
  mov al, [di]
  jmp store
.word:
  mov ax, [di]
  jmp store
.dword:
  mov eax, [di]
  jmp store
op_int:
  push bp
  push si
  mov ax, bx
  mov bx, dx
  int 0x10
  pop si
  pop bp
  jmp done
op_shot:
  mov al, 'P'
  out 0xe9, al
  xor ax, ax
  int 0x16
  jmp done
op_fill:
  call segment_
  mov ecx, ebx
  shr ecx, 16
  movzx ebx, bx
  xor edx, edx
.loop:
  mov eax, edx
  imul eax, ecx
  mov al, al
  push edx
  shr edx, 8
  add al, dl
  pop edx
  mov [di], al
  inc di
  inc edx
  dec ebx
  jnz .loop
  jmp done
align 4
packet: db 16, 0
  dw 32, 0, 0x1000
  dq 1
times 510 - ($ - $$) db 0
  dw 0xaa55
`

const window = (offset: number, size: number) => [size | ((offset >>> 16) << 7), offset & 0xffff] as const

function encode(op: Op): [code: number, size: number, a: number, value: number] {
  switch (op.op) {
    case 'out':
      return [1, op.size, op.port, op.value]
    case 'in':
      return [2, op.size, op.port, op.count ?? 1]
    case 'touch':
      return [7, 1, op.port, 0]
    case 'write':
      return [3, ...window(op.offset, op.size), op.value]
    case 'read':
      return [4, ...window(op.offset, op.size), 0]
    case 'int10':
      return [5, 0, op.bx, op.ax]
    case 'fill':
      return [8, ...window(op.offset, 1), (op.step << 16) | op.count]
    case 'shot':
      return [6, 0, 0, 0]
  }
}

function parsePpm(bytes: Uint8Array): Picture {
  const head = Buffer.from(bytes.subarray(0, 40))
    .toString('latin1')
    .match(/^P6\s+(\d+)\s+(\d+)\s+255\s/)
  if (!head) throw new Error('not a PPM')
  return { width: Number(head[1]), height: Number(head[2]), data: bytes.slice(head[0].length) }
}

/** Runs `ops` in QEMU and returns what every `shot` saw. */
export async function runInQemu(ops: Op[], vramBytes: number, card: 'std' | 'cirrus' = 'std'): Promise<Shot[]> {
  const dir = mkdtempSync(join(tmpdir(), 'bootwright-vga-'))
  try {
    return await run(dir, ops, vramBytes, card)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The disk whose boot sector carries the operations out: at each shot it sends a P to port E9 and waits for a key. */
export function operationsDisk(ops: Op[]): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), 'bootwright-vga-'))
  try {
    return buildDisk(dir, ops)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function buildDisk(dir: string, ops: Op[]): Uint8Array {
  const path = (name: string) => join(dir, name)
  if (ops.length > 8191) throw new Error('too many operations')
  writeFileSync(path('boot.asm'), LOADER)
  execFileSync('nasm', ['-f', 'bin', '-o', path('boot.bin'), path('boot.asm')])
  const image = Buffer.alloc(512 * 1024)
  readFileSync(path('boot.bin')).copy(image)
  ops.forEach((op, i) => {
    const [code, size, a, value] = encode(op)
    const at = 512 + i * 8
    image[at] = code
    image[at + 1] = size
    image.writeUInt16LE(a, at + 2)
    image.writeUInt32LE(value >>> 0, at + 4)
  })
  return image
}

async function run(dir: string, ops: Op[], vramBytes: number, card: string): Promise<Shot[]> {
  const path = (name: string) => join(dir, name)
  writeFileSync(path('disk.img'), buildDisk(dir, ops))
  writeFileSync(path('debug'), '')
  const qemu = spawn(
    'qemu-system-i386',
    ['-M', 'pc', '-m', '32', '-nodefaults', '-vga', card, '-display', 'none', '-qmp', 'stdio', '-no-reboot']
      .concat(['-debugcon', `file:${path('debug')}`])
      .concat(['-drive', `file=${path('disk.img')},format=raw,if=ide`]),
    { stdio: ['pipe', 'pipe', 'ignore'] },
  )
  let replies = ''
  qemu.stdout.on('data', (chunk: Buffer) => {
    replies += chunk.toString()
  })
  const until = async (what: string, ready: () => boolean) => {
    for (const end = Date.now() + 20000; !ready(); ) {
      if (Date.now() > end) throw new Error(`QEMU: no ${what}: ${replies.slice(-2000)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const qmp = async (execute: string, args: object = {}) => {
    const from = replies.length
    qemu.stdin.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    await until(execute, () => /"(return|error)"[^\n]*\n/.test(replies.slice(from)))
    return replies.slice(from)
  }
  const command = (text: string) => qmp('human-monitor-command', { 'command-line': text })
  try {
    await until('greeting', () => replies.includes('QMP'))
    await qmp('qmp_capabilities')
    const shots: Shot[] = []
    const delays = ops.filter((op) => op.op === 'shot').map((op) => op.after ?? 0)
    let lfb: string | undefined
    for (let n = 1; n <= delays.length; n++) {
      await until(
        `shot ${n}`,
        () => statSync(path('debug')).size >= 1 && count(readFileSync(path('debug'), 'latin1')) >= n,
      )
      await new Promise((resolve) => setTimeout(resolve, delays[n - 1]))
      if (!lfb) {
        lfb = (await command('info pci')).match(/prefetchable memory at (0x[0-9a-f]+)/)?.[1]
      }
      await qmp('screendump', { filename: path('shot.ppm') })
      await qmp('pmemsave', { val: Number(lfb), size: vramBytes, filename: path('vram') })
      await qmp('pmemsave', { val: 0x20000, size: 65536, filename: path('results') })
      shots.push({
        picture: parsePpm(readFileSync(path('shot.ppm'))),
        vram: new Uint8Array(readFileSync(path('vram'))),
        results: new Uint32Array(new Uint8Array(readFileSync(path('results'))).buffer),
      })
      await command('sendkey ret')
    }
    return shots
  } finally {
    qemu.kill('SIGKILL')
  }
}

const count = (text: string) => text.split('P').length - 1

/** Where and how many pixels differ. */
export function difference(frame: Frame, picture: Picture): string {
  const size = `${frame.width}x${frame.height}`
  if (frame.width !== picture.width || frame.height !== picture.height) {
    return `${size} instead of ${picture.width}x${picture.height}`
  }
  let count = 0
  let first = ''
  for (let i = 0; i < frame.width * frame.height; i++) {
    const [at, from] = [i * 4, i * 3]
    const [r, g, b] = [picture.data[from], picture.data[from + 1], picture.data[from + 2]]
    if (frame.data[at] === r && frame.data[at + 1] === g && frame.data[at + 2] === b) continue
    const ours = frame.data.subarray(at, at + 3)
    if (!count++)
      first = `(${i % frame.width}, ${Math.floor(i / frame.width)}): ${ours.join()} instead of ${r},${g},${b}`
  }
  return count ? `${count} pixels of ${size}, first ${first}` : 'none'
}
