/**
 * What operating systems, loaders and firmware say when they cannot go on. A wait that sees one, and then nothing more,
 * has failed: there is no use in its time-out. Another system is one more line of this table.
 */
import type { Pattern } from '../keys/boot-command.js'

export interface Panic {
  /** As the beginning of a sentence: `the guest panicked`. */
  readonly what: string
  /** Matched against a line. */
  readonly pattern: Pattern
  /** Counts only as the last line: a prompt, or what is said before a key is awaited. */
  readonly last?: true
}

const KERNEL = 'the guest panicked'
const LOADER = "the guest's loader gave up"
const FIRMWARE = 'the firmware found nothing to boot'

/** Kernels may have a time in front: `[    1.234567] `. */
const STAMP = '^(\\[ *[\\d.]+\\] ?)?'

function kernel(source: string, flags = ''): Panic {
  return { what: KERNEL, pattern: { source: `${STAMP}${source}`, flags } }
}

function last(what: string, source: string, flags = ''): Panic {
  return { what, pattern: { source, flags }, last: true }
}

export const PANICS: readonly Panic[] = [
  // Linux
  kernel('Kernel panic - not syncing'),
  // FreeBSD, NetBSD, OpenBSD, DragonFly, Plan 9, illumos (which says on which CPU)
  kernel('panic(\\[cpu\\d+\\]/thread=\\w+)?: \\S'),
  // NetBSD 10 names the CPU, too; FreeBSD before its debugger
  kernel('Fatal trap \\d+: .*while in kernel mode'),
  // Xen
  kernel('(\\(XEN\\) )+Panic on CPU \\d+'),
  // GNU Mach says in which file
  kernel('panic \\S+:\\d+: \\S'),
  // Haiku, Redox, MINIX, and many a kernel of one's own
  kernel('PANIC: \\S'),
  kernel('(\\W*)KERNEL PANIC\\b', 'i'),
  // FreeBSD asks for a root file system
  last(KERNEL, '^mountroot>'),
  // FreeDOS and MS-DOS
  last(KERNEL, '^(Cannot load COMMAND|Memory allocation error|.*)[,.] ?[Ss]ystem halted\\.?$'),
  last(KERNEL, '^Bad or missing Command Interpreter', 'i'),
  // SeaBIOS
  last(FIRMWARE, '^No bootable device\\.'),
  // Master boot records, and boot sectors of mkfs.fat, DOS, Windows, FreeDOS
  last(LOADER, '^(Missing operating system|Error loading operating system|Invalid partition table)', 'i'),
  last(LOADER, '^(No operating system|Operating system not found|Boot error|Disk boot failure)', 'i'),
  last(LOADER, '^(Non-[Ss]ystem disk or disk error|(NTLDR|BOOTMGR|Remove disks).*)'),
  last(LOADER, '^press any key to try again', 'i'),
  // GRUB 2, GRUB Legacy, LILO
  last(LOADER, '^grub rescue>'),
  last(LOADER, '^(GRUB )?(Hard Disk|Floppy|Geom|Read) Error$'),
]
