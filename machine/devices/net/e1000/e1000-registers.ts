/**
 * Registers of Intel's 8254x Gigabit Ethernet controllers (PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual, 317453, chapter 13), by byte offset, and the bits that this model acts upon.
 */

export const CTRL = 0x0000
export const STATUS = 0x0008
export const EECD = 0x0010
export const EERD = 0x0014
export const CTRL_EXT = 0x0018
export const FLA = 0x001c
export const MDIC = 0x0020
export const FCAL = 0x0028
export const FCT = 0x0030
export const VET = 0x0038
export const ICR = 0x00c0
export const ITR = 0x00c4
export const ICS = 0x00c8
export const IMS = 0x00d0
export const IMC = 0x00d8
export const RCTL = 0x0100
export const FCTTV = 0x0170
export const TXCW = 0x0178
export const RXCW = 0x0180
export const TCTL = 0x0400
export const TIPG = 0x0410
export const AIFS = 0x0458
export const LEDCTL = 0x0e00
export const PBA = 0x1000
export const FCRTL = 0x2160
export const FCRTH = 0x2168
export const RDFH = 0x2410
export const RDFPC = 0x2430
export const RDBAL = 0x2800
export const RDBAH = 0x2804
export const RDLEN = 0x2808
export const RDH = 0x2810
export const RDT = 0x2818
export const RDTR = 0x2820
export const RXDCTL = 0x2828
export const RADV = 0x282c
export const RSRPD = 0x2c00
export const TXDMAC = 0x3000
export const TDFH = 0x3410
export const TDFPC = 0x3430
export const TDBAL = 0x3800
export const TDBAH = 0x3804
export const TDLEN = 0x3808
export const TDH = 0x3810
export const TDT = 0x3818
export const TIDV = 0x3820
export const TXDCTL = 0x3828
export const TADV = 0x382c
export const TSPMT = 0x3830
export const RXCSUM = 0x5000
export const MTA = 0x5200
export const RAL = 0x5400
export const RAH = 0x5404
export const VFTA = 0x5600
export const WUC = 0x5800
export const WUFC = 0x5808
export const WUS = 0x5810
export const MANC = 0x5820
export const IPAV = 0x5838
export const WUPM = 0x5a00
export const FFLT = 0x5f00

// Of the controllers on PCI Express alone (PCIe GbE Controllers Open Source Software Developer's Manual, 316080, chapter 13)
export const IAM = 0x00e0
/** For energy-efficient Ethernet, which these do not have; Linux reads it all the same. */
const LPIC = 0x00fc
export const EXTCNF_CTRL = 0x0f00
export const EXTCNF_SIZE = 0x0f08
export const PBS = 0x1008
export const EEMNGCTL = 0x1010
export const FLASHT = 0x1028
export const EEWR = 0x102c
export const FLSWCTL = 0x1030
export const FLOP = 0x103c
export const PSRCTL = 0x2170
export const RDBAL1 = 0x2900
export const RAID = 0x2c08
export const TARC0 = 0x3840
export const TDBAL1 = 0x3900
export const TARC1 = 0x3940
export const RFCTL = 0x5008
export const MRQC = 0x5818
export const GCR = 0x5b00
export const FACTPS = 0x5b30
export const SWSM = 0x5b50
export const FWSM = 0x5b54
export const RSSIM = 0x5864
export const RETA = 0x5c00
export const RSSRK_END = 0x5ca4
/** Of the statistics, those behind the ones that all have. */
const IAC = 0x4100
const ICRXDMTC = 0x4120

// Statistics: counters that are cleared by reading them
export const STATISTICS = 0x4000
export const STATISTICS_END = 0x4100
export const MPC = 0x4010
/** Six counters by size, 64 to 1023 and more. */
export const PRC64 = 0x405c
export const GPRC = 0x4074
export const BPRC = 0x4078
export const MPRC = 0x407c
export const GPTC = 0x4080
export const GORCL = 0x4088
export const GOTCL = 0x4090
export const RNBC = 0x40a0
export const RUC = 0x40a4
export const ROC = 0x40ac
export const TORL = 0x40c0
export const TOTL = 0x40c8
export const TPR = 0x40d0
export const TPT = 0x40d4
export const PTC64 = 0x40d8
export const MPTC = 0x40f0
export const BPTC = 0x40f4
export const TSCTC = 0x40f8

export const CTRL_FD = 0x0000_0001
/** On PCI Express: no more accesses as a bus master. */
export const CTRL_GIO_MASTER_DISABLE = 0x0000_0004
export const CTRL_SLU = 0x0000_0040
export const CTRL_SPEED_1000 = 0x0000_0200
export const CTRL_RST = 0x0400_0000
export const CTRL_VME = 0x4000_0000
export const CTRL_PHY_RST = 0x8000_0000
/** What its EEPROM has it start with: full duplex, 1000 Mbit/s, link up, two of the software-definable pins. */
export const CTRL_DEFAULT = 0x0014_0000 | CTRL_FD | CTRL_SLU | CTRL_SPEED_1000

export const STATUS_FD = 0x01
export const STATUS_LU = 0x02
/** 1000 Mbit/s, set and as detected. */
export const STATUS_SPEED_1000 = 0x0280
export const CTRL_EXT_EE_RST = 0x2000
/** A read of ICR masks what IAM names. */
export const CTRL_EXT_IAME = 0x0800_0000
export const STATUS_GIO_MASTER_ENABLE = 0x8_0000

export const MDIC_READY = 0x1000_0000
export const MDIC_INTERRUPT = 0x2000_0000
export const MDIC_ERROR = 0x4000_0000

export const ICR_TXDW = 0x0001
export const ICR_TXQE = 0x0002
export const ICR_LSC = 0x0004
export const ICR_RXDMT0 = 0x0010
export const ICR_RXO = 0x0040
export const ICR_RXT0 = 0x0080
export const ICR_MDAC = 0x0200
export const ICR_TXD_LOW = 0x8000
export const ICR_SRPD = 0x1_0000
export const ICR_BITS = 0x1_f6df
/** On PCI Express: one of the causes is not masked. */
export const ICR_INT_ASSERTED = 0x8000_0000

export const RCTL_EN = 0x0000_0002
export const RCTL_UPE = 0x0000_0008
export const RCTL_MPE = 0x0000_0010
export const RCTL_LPE = 0x0000_0020
export const RCTL_LBM = 0x0000_00c0
/** On PCI Express: descriptors of several buffers. */
export const RCTL_DTYP_SPLIT = 0x0000_0400
export const RCTL_BAM = 0x0000_8000
export const RCTL_VFE = 0x0004_0000
export const RCTL_CFIEN = 0x0008_0000
export const RCTL_CFI = 0x0010_0000
export const RCTL_BSEX = 0x0200_0000
export const RCTL_SECRC = 0x0400_0000

export const TCTL_EN = 0x02
export const TCTL_PSP = 0x08

export const RXCSUM_IPOFL = 0x100
export const RXCSUM_TUOFL = 0x200
/** On PCI Express: a hash stands where the sum of the packet would. */
export const RXCSUM_PCSD = 0x2000
export const RFCTL_EXTEN = 0x8000

/** The semaphores that software and firmware share: taken by reading, and by writing. */
export const SWSM_SMBI = 0x1

export const RAH_AV = 0x8000_0000
export const DELAY_FPD = 0x8000_0000

/** Descriptors of both rings. */
export const DESCRIPTOR = 16
/** RDLEN and TDLEN count in cache lines. */
export const RING_LENGTH = 0xf_ff80

/** What keeps the bits that are written to it and has no meaning here but what reads it: first, last register, writable bits. */
export const STORED: readonly (readonly [first: number, last: number, bits: number])[] = [
  ...([CTRL_EXT, FLA, FCT, ITR, FCTTV, TXCW, RCTL, TCTL, TIPG, AIFS, LEDCTL, PBA] as const).map(
    (one) => [one, one, 0xffff_ffff] as const,
  ),
  [FCAL, FCAL + 4, 0xffff_ffff],
  [VET, VET, 0xffff],
  [FCRTL, FCRTL, 0xffff_ffff],
  [FCRTH, FCRTH, 0xffff_ffff],
  [RDFH, RDFPC, 0x1fff],
  [RDBAL, RDBAL, 0xffff_fff0],
  [RDBAH, RDBAH, 0xffff_ffff],
  [RDLEN, RDLEN, RING_LENGTH],
  [RDH, RDH, 0xffff],
  [RDT, RDT, 0xffff],
  [RDTR, RDTR, 0xffff],
  [RXDCTL, RXDCTL, 0xffff_ffff],
  [RADV, RADV, 0xffff],
  [RSRPD, RSRPD, 0xfff],
  [TXDMAC, TXDMAC, 0xffff_ffff],
  [TDFH, TDFPC, 0x1fff],
  [TDBAL, TDBAL, 0xffff_fff0],
  [TDBAH, TDBAH, 0xffff_ffff],
  [TDLEN, TDLEN, RING_LENGTH],
  [TDH, TDH, 0xffff],
  [TDT, TDT, 0xffff],
  [TIDV, TIDV, 0xffff],
  [TXDCTL, TXDCTL, 0xffff_ffff],
  [TADV, TADV, 0xffff],
  [TSPMT, TSPMT, 0xffff_ffff],
  [RXCSUM, RXCSUM, 0x7ff],
  [MTA, MTA + 0x1fc, 0xffff_ffff],
  [RAL, RAL + 0x7c, 0xffff_ffff],
  [VFTA, VFTA + 0x1fc, 0xffff_ffff],
  [WUC, WUC, 0xffff_ffff],
  [WUFC, WUFC, 0xffff_ffff],
  [MANC, MANC, 0xffff_ffff],
  [IPAV, 0x58fc, 0xffff_ffff],
  [WUPM, WUPM + 0xfc, 0xffff_ffff],
  [FFLT, FFLT + 0x18, 0xffff_ffff],
  // The 82540EM's manual has none; QEMU's card keeps what is written, and U-Boot gives up where that is not read back.
  [SWSM, SWSM, 0xffff_ffff],
]

/** The same of what the controllers on PCI Express have in addition. Theirs are two queues, of which the first is used. */
export const STORED_EXPRESS: typeof STORED = [
  ...([IAM, EXTCNF_CTRL, EXTCNF_SIZE, PBS, FLASHT, FLSWCTL, FLOP, PSRCTL, RAID, TARC0, TARC1] as const).map(
    (one) => [one, one, 0xffff_ffff] as const,
  ),
  ...([RFCTL, MRQC] as const).map((one) => [one, one, 0xffff_ffff] as const),
  [RXCSUM, RXCSUM, 0x3fff],
  [LPIC, LPIC, 0],
  [EEMNGCTL, EEMNGCTL, 0],
  [RDBAL1, RDBAL1 + 0x2c, 0xffff_ffff],
  [TDBAL1, TDBAL1 + 0x2c, 0xffff_ffff],
  [GCR, FACTPS - 4, 0xffff_ffff],
  [FACTPS, FACTPS, 0],
  [FWSM, FWSM, 0],
  [RSSIM, RSSIM + 4, 0xffff_ffff],
  [RETA, RSSRK_END, 0xffff_ffff],
  [IAC, ICRXDMTC + 4, 0],
]

/** The registers above, as 32-bit words. */
export const REGISTER_WORDS = 0x6000 / 4
/** Of the memory BAR. */
export const REGISTER_SPACE = 0x2_0000

export type Registers = Uint32Array

/** Counts on a counter of 32 bits, which stops at its end. */
export function countOn(registers: Registers, counter: number, by = 1): void {
  registers[counter >> 2] = Math.min(registers[counter >> 2] + by, 0xffff_ffff)
}

/** Counts bytes on a pair of registers. */
export function countBytes(registers: Registers, counter: number, by: number): void {
  const low = registers[counter >> 2] + by
  registers[counter >> 2] = low
  if (low > 0xffff_ffff) registers[(counter >> 2) + 1] += 1
}

/** Of the six counters by size, which one counts a frame of `length` bytes with its check sequence. */
export function sizeClass(length: number): number {
  return length <= 64 ? 0 : Math.min(Math.floor(Math.log2(length / 64)) + 1, 5)
}
