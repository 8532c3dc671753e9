/** Hello OS: a boot sector that says its name, shows what is typed, on the screen and on COM1, and leaves at `q`. */
import { writeFileSync } from 'node:fs'

/** As `nasm -f bin` makes it, at 0000:7C00. */
const CODE = [
  ...[0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x7c, 0xfc], // ds = ss = 0, sp = 7C00h, cld
  ...[0xbe, 0x36, 0x7c], // mov si, banner
  ...[0xac, 0x84, 0xc0, 0x74, 0x05, 0xe8, 0x15, 0x00, 0xeb, 0xf6], // say: lodsb; until 0: put
  ...[0x30, 0xe4, 0xcd, 0x16], // key: int 16h, the next key
  ...[0x3c, 0x71, 0x74, 0x05, 0xe8, 0x08, 0x00, 0xeb, 0xf3], // unless 'q': put; key
  ...[0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee], // quit: out F4h, 10h: isa-debug-exit
  ...[0xb4, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10], // put: int 10h, teletype
  ...[0xba, 0xf8, 0x03, 0xee, 0xc3], // out COM1; ret
]
const BANNER = 'Hello OS 1.0\r\n> \0'
const SECTOR = 512
const FLOPPY = 2880 * SECTOR

/** Writes a 1.44 MB image, as a build of the system would. */
export function writeFloppy(path: string): void {
  const image = new Uint8Array(FLOPPY)
  image.set(CODE)
  image.set(new TextEncoder().encode(BANNER), CODE.length)
  image.set([0x55, 0xaa], SECTOR - 2)
  writeFileSync(path, image)
}
