/** For tests of real guests: they are skipped where media of a guest are not on this host. */
import { type Guest, guestMachine } from '../../harness/guest/guest.js'
import { MissingMediaError } from '../../harness/guest/guest-media.js'

export async function withoutMedia(guest: Guest): Promise<boolean> {
  try {
    await guestMachine(guest)
    return false
  } catch (error) {
    if (error instanceof MissingMediaError) return true
    throw error
  }
}
