import { uBoot } from '../u-boot.js'

export default uBoot('u-boot', 'qemu-x86', 32)
