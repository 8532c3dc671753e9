import * as z from 'zod'

/** `52:54:00:12:34:56`, of a station and not of a group. */
export const macOption = () =>
  z
    .string()
    .regex(
      /^[\da-f][02468ace](:[\da-f]{2}){5}$/i,
      'an address has six bytes, as in 52:54:00:12:34:56, the first one even',
    )
    .default('52:54:00:12:34:56')
    .describe('Ethernet address')

export const macBytes = (mac: string): number[] => mac.split(':').map((byte) => Number.parseInt(byte, 16))
