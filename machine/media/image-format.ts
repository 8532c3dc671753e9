/** What no drive takes as it is, known by its magic bytes, with the command that makes an image of it. */

export interface ForeignFormat {
  /** In a sentence: `a gzip file`. */
  readonly name: string
  /** A command that makes a raw image of `path`. */
  convert(path: string): string
}

const qemuImg = (format: string) => (path: string) =>
  `qemu-img convert -f ${format} -O raw ${quote(path)} ${quote(`${stripped(path)}.img`)}`

interface Signature extends ForeignFormat {
  readonly magic: readonly number[] | string
  /** Byte offset of the magic; negative counts from the end of the file. */
  readonly at?: number
}

const SIGNATURES: readonly Signature[] = [
  { name: 'a gzip file', magic: [0x1f, 0x8b, 0x08], convert: (path) => `gunzip -k ${quote(path)}` },
  { name: 'an xz file', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], convert: (path) => `unxz -k ${quote(path)}` },
  { name: 'a zstd file', magic: [0x28, 0xb5, 0x2f, 0xfd], convert: (path) => `unzstd ${quote(path)}` },
  { name: 'an lz4 file', magic: [0x04, 0x22, 0x4d, 0x18], convert: (path) => `unlz4 ${quote(path)}` },
  { name: 'a 7-Zip archive', magic: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], convert: (path) => `7z x ${quote(path)}` },
  { name: 'a zip archive', magic: [0x50, 0x4b, 0x03, 0x04], convert: (path) => `unzip ${quote(path)}` },
  { name: 'a tar archive', magic: 'ustar', at: 257, convert: (path) => `tar xf ${quote(path)}` },
  { name: 'a QED image', magic: 'QED\0', convert: qemuImg('qed') },
  { name: 'a VMDK image of ESX', magic: 'COWD', convert: qemuImg('vmdk') },
  { name: 'a Parallels image', magic: 'WithoutFreeSpace', convert: qemuImg('parallels') },
  { name: 'a Parallels image', magic: 'WithouFreSpacExt', convert: qemuImg('parallels') },
  { name: 'an Apple disk image', magic: 'koly', at: -512, convert: qemuImg('dmg') },
]

const BZIP2: ForeignFormat = { name: 'a bzip2 file', convert: (path) => `bunzip2 -k ${quote(path)}` }
const RAW_CD: ForeignFormat = {
  name: 'a CD image with raw 2352-byte sectors',
  convert: (path) => `bchunk ${quote(path)} ${quote(`${stripped(path)}.cue`)} ${quote(stripped(path))}`,
}

/** `head` holds the first bytes of the file (some 512), `tail` its last 512. */
export function foreignFormat(head: Uint8Array, tail: Uint8Array): ForeignFormat | undefined {
  for (const signature of SIGNATURES) {
    const at = signature.at ?? 0
    if (at < 0 ? hasMagic(tail, tail.length + at, signature.magic) : hasMagic(head, at, signature.magic))
      return signature
  }
  // "BZh", a level, and the block magic 0x314159265359.
  if (hasMagic(head, 0, 'BZh') && hasMagic(head, 4, [0x31, 0x41, 0x59, 0x26, 0x53, 0x59])) return BZIP2
  // The sync pattern of a CD sector, ECMA-130, section 14.1.
  if (hasMagic(head, 0, [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0])) return RAW_CD
  return undefined
}

export function hasMagic(bytes: Uint8Array, at: number, magic: readonly number[] | string): boolean {
  if (at < 0 || at + magic.length > bytes.length) return false
  for (let i = 0; i < magic.length; i++) {
    const wanted = typeof magic === 'string' ? magic.charCodeAt(i) : magic[i]
    if (bytes[at + i] !== wanted) return false
  }
  return true
}

/** For a shell: in single quotes where needed. */
function quote(path: string): string {
  return /^[\w./+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

function stripped(path: string): string {
  return path.replace(/\.[^./]+$/, '')
}
