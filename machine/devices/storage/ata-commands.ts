/** The opcodes and subcommands of an ATA disk. ATA/ATAPI-5 (T13 1321D), section 8; EXT ones ATA/ATAPI-6 (T13 1410D). */

export const NOP = 0x00
export const RECALIBRATE = 0x10
export const READ_SECTORS = 0x20
export const READ_SECTORS_NO_RETRY = 0x21
export const READ_SECTORS_EXT = 0x24
export const READ_DMA_EXT = 0x25
export const READ_NATIVE_MAX_EXT = 0x27
export const READ_MULTIPLE_EXT = 0x29
export const WRITE_SECTORS = 0x30
export const WRITE_SECTORS_NO_RETRY = 0x31
export const WRITE_SECTORS_EXT = 0x34
export const WRITE_DMA_EXT = 0x35
export const WRITE_MULTIPLE_EXT = 0x39
export const WRITE_VERIFY = 0x3c
export const READ_VERIFY = 0x40
export const READ_VERIFY_NO_RETRY = 0x41
export const READ_VERIFY_EXT = 0x42
export const SEEK = 0x70
export const INITIALIZE_DEVICE_PARAMETERS = 0x91
export const SMART = 0xb0
export const READ_MULTIPLE = 0xc4
export const WRITE_MULTIPLE = 0xc5
export const SET_MULTIPLE_MODE = 0xc6
export const READ_DMA = 0xc8
export const READ_DMA_NO_RETRY = 0xc9
export const WRITE_DMA = 0xca
export const WRITE_DMA_NO_RETRY = 0xcb
export const FLUSH_CACHE = 0xe7
export const FLUSH_CACHE_EXT = 0xea
export const IDENTIFY_DEVICE = 0xec
export const SET_FEATURES = 0xef
export const READ_NATIVE_MAX = 0xf8

// Power management, with the codes of ATA-1 that are still used
export const STANDBY_IMMEDIATE = 0xe0
export const IDLE_IMMEDIATE = 0xe1
export const STANDBY = 0xe2
export const IDLE = 0xe3
export const CHECK_POWER_MODE = 0xe5
export const SLEEP = 0xe6
export const OLD_STANDBY_IMMEDIATE = 0x94
export const OLD_IDLE_IMMEDIATE = 0x95
export const OLD_STANDBY = 0x96
export const OLD_IDLE = 0x97
export const OLD_CHECK_POWER_MODE = 0x98
export const OLD_SLEEP = 0x99
export const POWER_ACTIVE = 0xff
export const POWER_IDLE = 0x80
export const POWER_STANDBY = 0x00

// SMART subcommands, in the features register
export const SMART_READ_DATA = 0xd0
export const SMART_READ_THRESHOLDS = 0xd1
export const SMART_AUTOSAVE = 0xd2
export const SMART_EXECUTE_OFFLINE = 0xd4
export const SMART_ENABLE = 0xd8
export const SMART_DISABLE = 0xd9
export const SMART_RETURN_STATUS = 0xda
export const SMART_KEY_MID = 0x4f
export const SMART_KEY_HIGH = 0xc2
