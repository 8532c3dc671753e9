/** Boot sectors of a few instructions, as floppy images, for tests of the command line. */

const FLOPPY_720K = 737280

/** Says it on COM1, byte by byte. */
function say(text: string): number[] {
  // mov dx, 3f8h; then mov al, letter; out dx, al
  return [0xba, 0xf8, 0x03, ...[...text].flatMap((letter) => [0xb0, letter.charCodeAt(0), 0xee])]
}

/** Shows it on the screen by the BIOS. */
function show(text: string): number[] {
  // mov bx, 7; then mov ax, 0e00h + letter; int 10h
  return [0xbb, 7, 0, ...[...text].flatMap((letter) => [0xb8, letter.charCodeAt(0), 0x0e, 0xcd, 0x10])]
}

const PROGRAMS = {
  /** cli; hlt */
  halt: [...show('halting'), 0xfa, 0xf4],
  /** sti; then hlt for ever */
  idle: [...say('idle\n'), ...show('idle here'), 0xfb, 0xf4, 0xeb, 0xfd],
  /** mov ax, 2000h; mov dx, 604h; out dx, ax: SLP_EN of the PIIX4 where SeaBIOS puts it */
  poweroff: [...say('bye\n'), 0xb8, 0x00, 0x20, 0xba, 0x04, 0x06, 0xef, 0xf4],
  /** The boot sector to the second one: mov ax, 301h; mov bx, 7c00h; mov cx, 2; mov dh, 0; int 13h; then as above */
  writer: [
    ...[0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7c, 0xb9, 0x02, 0x00, 0xb6, 0x00, 0xcd, 0x13],
    ...[0xb8, 0x00, 0x20, 0xba, 0x04, 0x06, 0xef, 0xf4],
  ],
  /** mov al, 0; mov dx, 0f4h; out dx, al */
  exit0: [...say('done\n'), 0xb0, 0, 0xba, 0xf4, 0, 0xee, 0xf4],
  exit16: [...say('bad\n'), 0xb0, 16, 0xba, 0xf4, 0, 0xee, 0xf4],
  /** mov al, 6; mov dx, 0cf9h; out dx, al */
  reset: [0xb0, 6, 0xba, 0xf9, 0x0c, 0xee, 0xf4],
  /** lidt [zeros]; int3: no vector can be fetched */
  tripleFault: [...show('panic'), 0x0f, 0x01, 0x1e, 0x00, 0x7e, 0xcc],
  /** Keys to COM1: xor ah, ah; int 16h; mov dx, 3f8h; out dx, al; again */
  echo: [...say('>'), 0x30, 0xe4, 0xcd, 0x16, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf6],
  /** The same, with five interrupts before each key: sti; mov cx, 5; hlt; loop; then as above */
  slowEcho: [
    ...say('>'),
    ...[0xfb, 0xb9, 5, 0, 0xf4, 0xe2, 0xfd, 0x30, 0xe4, 0xcd, 0x16, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf0],
  ],
  /** 8 KiB of letters to COM1, and power-off: mov cx, 2000h; out; loop; as above */
  chatter: [0xb9, 0, 0x20, 0xba, 0xf8, 0x03, 0xb0, 0x78, 0xee, 0xe2, 0xfd, 0xb8, 0x00, 0x20, 0xba, 0x04, 0x06, 0xef],
}

export type ProgramName = keyof typeof PROGRAMS
export const PROGRAM_NAMES = Object.keys(PROGRAMS) as ProgramName[]

/** A 720K floppy that boots the program. */
export function programFloppy(name: ProgramName): Uint8Array {
  const image = new Uint8Array(FLOPPY_720K)
  // xor ax, ax; mov ds, ax; cld
  image.set([0x31, 0xc0, 0x8e, 0xd8, 0xfc, ...PROGRAMS[name]])
  image.set([0x55, 0xaa], 510)
  return image
}
