/** How a device of this machine says in AML what it is (ACPI 6.5, chapter 6): for the devices' own `acpi()`. */
import type { AcpiDevice } from '../../device.js'
import type { Aml } from './aml.js'
import * as aml from './aml.js'

/** _STA: present, decodes its resources, shown to the user, works; and the same, not shown. */
export const PRESENT = 0x0f
export const PRESENT_HIDDEN = 0x0b

/** A device on the ISA bus with an EISA identifier and its resources; `more` are further objects of it. */
export function isaDevice(
  path: string,
  id: string,
  descriptors: readonly Aml[],
  uid?: number,
  more: readonly Aml[] = [],
): AcpiDevice {
  return {
    scope: 'isa',
    aml: aml.device(
      path,
      aml.named('_HID', aml.eisaId(id)),
      ...(uid === undefined ? [] : [aml.named('_UID', aml.integer(uid))]),
      aml.named('_STA', aml.integer(PRESENT)),
      aml.named('_CRS', aml.resources(...descriptors)),
      ...more,
    ),
  }
}
