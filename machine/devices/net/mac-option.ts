import { DeviceOption, Misfit } from '../device-option.js'

/** `52:54:00:12:34:56`, of a station and not of a group. */
export const macOption = () =>
  new DeviceOption((given) =>
    typeof given === 'string' && /^[\da-f][02468ace](:[\da-f]{2}){5}$/i.test(given)
      ? given
      : new Misfit('six bytes, as in 52:54:00:12:34:56, the first one even'),
  )
    .default('52:54:00:12:34:56')
    .describe('Ethernet address')

export const macBytes = (mac: string): number[] => mac.split(':').map((byte) => Number.parseInt(byte, 16))
