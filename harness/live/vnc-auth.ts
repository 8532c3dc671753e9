/** VNC Authentication (RFC 6143, section 7.2.2): a challenge of 16 bytes, encrypted by DES with the password. */
import { createCipheriv, timingSafeEqual } from 'node:crypto'

export const CHALLENGE_LENGTH = 16
/** What of a password counts. */
export const PASSWORD_LENGTH = 8

/** What a viewer that knows the password answers. */
export function vncResponse(password: string, challenge: Uint8Array): Buffer {
  const key = Buffer.alloc(PASSWORD_LENGTH)
  key.set(Buffer.from(password, 'utf8').subarray(0, PASSWORD_LENGTH))
  const mirrored = Buffer.from(key.map(mirrorBits))
  // OpenSSL 3 keeps plain DES among its legacy ciphers; triple DES with one key thrice is the same.
  const cipher = createCipheriv('des-ede3', Buffer.concat([mirrored, mirrored, mirrored]), null)
  cipher.setAutoPadding(false)
  return Buffer.concat([cipher.update(challenge), cipher.final()])
}

export function isRightResponse(password: string, challenge: Uint8Array, response: Uint8Array): boolean {
  return timingSafeEqual(vncResponse(password, challenge), response)
}

/** VNC takes a key's bits in reverse. */
function mirrorBits(byte: number): number {
  let mirrored = 0
  for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) mirrored |= 0x80 >> bit
  return mirrored
}
