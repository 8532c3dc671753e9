/** What ACPI is told of the floppy controller and its drives: ACPI 6.5, 9.9 (_FDE, _FDI). */
import type { AcpiDevice } from '../../device.js'
import { isaDevice } from '../../firmware/tables/acpi-device.js'
import type { Aml } from '../../firmware/tables/aml.js'
import * as aml from '../../firmware/tables/aml.js'
import type { FloppyDriveType } from './floppy-drive.js'

/** Type number as in CMOS register 0x10, and what INT 13h AH=08h and the diskette parameter table give for it. */
const FLOPPY_GEOMETRY: {
  readonly [type in FloppyDriveType]: {
    type: number
    cylinders: number
    sectors: number
    gap: number
    formatGap: number
  }
} = {
  '360K': { type: 1, cylinders: 40, sectors: 9, gap: 0x2a, formatGap: 0x50 },
  '1.2M': { type: 2, cylinders: 80, sectors: 15, gap: 0x1b, formatGap: 0x54 },
  '720K': { type: 3, cylinders: 80, sectors: 9, gap: 0x2a, formatGap: 0x50 },
  '1.44M': { type: 4, cylinders: 80, sectors: 18, gap: 0x1b, formatGap: 0x6c },
  '2.88M': { type: 5, cylinders: 80, sectors: 36, gap: 0x1b, formatGap: 0x53 },
}

/** @param types Of the drives by unit. The controller is left out where there is no drive. */
export function floppyControllerAcpi(types: readonly (FloppyDriveType | undefined)[]): AcpiDevice[] {
  if (types.every((type) => type === undefined)) return []
  const present = [0, 1, 2, 3].map((drive) => (types[drive] ? 1 : 0))
  return [
    isaDevice('FDC0', 'PNP0700', [aml.io(0x3f2, 4), aml.io(0x3f7, 1), aml.irqNoFlags(6), aml.dma(2)], undefined, [
      // _FDE: four drives as 32-bit flags, and 2 for "no tape".
      aml.named('_FDE', aml.buffer([...present, 2].flatMap((value) => [value, 0, 0, 0]))),
      ...types.flatMap((type, drive) => (type ? [floppyDrive(drive, type)] : [])),
    ]),
  ]
}

function floppyDrive(drive: number, type: FloppyDriveType): Aml {
  const { type: number, cylinders, sectors, gap, formatGap } = FLOPPY_GEOMETRY[type]
  // Of the diskette parameter table: step rate and head unload, head load and DMA mode, motor off delay, 512-byte
  // sectors, last sector, gap, data length, format gap and fill byte, head settle time, motor start time.
  const parameters = [0xaf, 0x02, 0x25, 0x02, sectors, gap, 0xff, formatGap, 0xf6, 0x0f, 0x08]
  return aml.device(
    `FLP${'ABCD'[drive]}`,
    aml.named('_ADR', aml.integer(drive)),
    aml.named('_FDI', aml.pack([drive, number, cylinders - 1, sectors, 1, ...parameters].map(aml.integer))),
  )
}
