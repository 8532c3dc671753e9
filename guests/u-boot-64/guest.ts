import { uBoot } from '../u-boot.js'

export default uBoot('u-boot-64', 'qemu-x86_64', 64)
