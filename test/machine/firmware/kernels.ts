/** Small made-up kernel images for tests. */

export interface KernelOptions {
  readonly version?: number
  readonly loadflags?: number
  readonly setupSects?: number
  readonly initrdAddrMax?: number
  readonly cmdlineSize?: number
  readonly prefAddress?: number
  readonly initSize?: number
  /** Code at offset 0x200 + 0x68, which the jump at 0x200 leads to. */
  readonly setupCode?: Uint8Array
  readonly body?: Uint8Array
}

/** A Linux kernel image by the boot protocol. */
export function makeKernel(options: KernelOptions = {}): Uint8Array {
  const { setupSects = 4, body = new Uint8Array(1000).fill(0x90) } = options
  const setupBytes = ((setupSects || 4) + 1) * 512
  const kernel = new Uint8Array(setupBytes + body.length)
  const view = new DataView(kernel.buffer)
  kernel[0x1f1] = setupSects
  view.setUint16(0x1fe, 0xaa55, true)
  kernel.set([0xeb, 0x66], 0x200) // jmp 0x268
  kernel.set(new TextEncoder().encode('HdrS'), 0x202)
  view.setUint16(0x206, options.version ?? 0x20f, true)
  kernel[0x211] = options.loadflags ?? 1
  view.setUint32(0x22c, options.initrdAddrMax ?? 0x7fffffff, true)
  view.setUint32(0x238, options.cmdlineSize ?? 2047, true)
  view.setBigUint64(0x258, BigInt(options.prefAddress ?? 0x100000), true)
  view.setUint32(0x260, options.initSize ?? 0x10000, true)
  kernel.set(options.setupCode ?? [], 0x268)
  kernel.set(body, setupBytes)
  return kernel
}

export interface ElfSegment {
  readonly virtual: number
  readonly physical: number
  readonly data: Uint8Array
  readonly memoryBytes?: number
}

/** An ELF-32 file whose first segment holds a Multiboot header when `flags` is given. */
export function makeElf(segments: readonly ElfSegment[], entry: number, flags?: number): Uint8Array {
  const headers = 52 + 32 * segments.length
  const starts: number[] = []
  let length = headers
  for (const segment of segments) {
    length = Math.ceil(length / 16) * 16
    starts.push(length)
    length += segment.data.length
  }
  const file = new Uint8Array(length)
  const view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1])
  view.setUint16(16, 2, true)
  view.setUint16(18, 3, true)
  view.setUint32(24, entry, true)
  view.setUint32(28, 52, true)
  view.setUint16(42, 32, true)
  view.setUint16(44, segments.length, true)
  segments.forEach((segment, index) => {
    const at = 52 + 32 * index
    const { virtual, physical, data } = segment
    const fields = [1, starts[index], virtual, physical, data.length, segment.memoryBytes ?? data.length]
    for (const [i, value] of fields.entries()) view.setUint32(at + 4 * i, value, true)
    file.set(data, starts[index])
  })
  if (flags !== undefined) {
    view.setUint32(starts[0], 0x1badb002, true)
    view.setUint32(starts[0] + 4, flags, true)
    view.setUint32(starts[0] + 8, -(0x1badb002 + flags), true)
  }
  return file
}
