/** Addresses in the core's linear memory that TypeScript needs; the same as in `core/state.ts`, which describes them. */

export const PHYS_MAP = 0x100000
export const PAGE_RAM = 1
export const PAGE_ROM = 2
export const PAGE_SHARED = 8
export const ARENA_GUEST = 0x5000000

/** The executing CPU's own state. */
export const STATE = 0x1000
export const STATE_SIZE = 0x1000
export const GPR = 0x1000
export const RIP = 0x1090
export const RFLAGS = 0x1098
export const CR0 = 0x10b0
export const CR2 = 0x10b8
export const CR3 = 0x10c0
export const CR4 = 0x10c8
export const XCR0 = 0x10d8
export const EFER = 0x10e0
export const DR = 0x1100
export const GDTR_BASE = 0x1140
export const GDTR_LIMIT = 0x1148
export const IDTR_BASE = 0x1150
export const IDTR_LIMIT = 0x1158
export const CPL = 0x1160
export const SHADOW = 0x1168
export const HALTED = 0x116c
export const NMI_MASKED = 0x1170
export const IN_SMM = 0x1174
export const SMBASE = 0x1178
export const A20_MASK = 0x3028
export const TSC_SKIPPED = 0x3020
export const STALLED = 0x3018
export const TSC_OFFSET = 0x1190
export const ICOUNT = 0x3000
export const ICOUNT_END = 0x3008
export const ATTENTION = 0x11a8
export const PENDING_VECTOR = 0x11b0
export const PENDING_ERROR = 0x11b4
export const PENDING_HAS_ERROR = 0x11b8
export const DELIVERING = 0x11bc
export const DELIVERING_VECTOR = 0x11c0
export const EXIT_REASON = 0x11c4
/** What CPUID shows; see `core/features.ts`. */
export const CPU_SIGNATURE = 0x3040
export const CPU_LEVEL = 0x3044
export const CPU_EXTENDED_LEVEL = 0x3048
export const CPU_APIC_ID = 0x1550
export const CPU_COUNT = 0x304c
export const OTHERS_RUN = 0x3050
export const RANDOM_STATE = 0x3030
export const CPU_FEATURES = 0x3060
export const SEGMENTS = 0x1200
export const SEG_SIZE = 64
export const SEG_ACCESS = 4
export const SEG_BASE = 8
export const SEG_LIMIT = 16
export const LDTR = 0x1380
export const NEW_CS = 0x2100
export const TR = 0x13c0
export const FPR = 0x1600
export const FPU_CONTROL = 0x1680
export const FPU_STATUS = 0x1684
export const FPU_TOP = 0x1688
export const FPU_TAGS = 0x1690
export const FPU_OPCODE = 0x1698
export const FPU_IP = 0x16a0
export const FPU_CS = 0x16a8
export const FPU_DP = 0x16b0
export const FPU_DS = 0x16b8
export const MXCSR = 0x16c0
export const XMM = 0x1800
export const XMM_SIZE = 32

export const ATTN_INTR = 1
export const ATTN_NMI = 2
export const ATTN_SMI = 4
export const ATTN_STOP = 8
export const ATTN_DEBUG = 16
export const ATTN_STEP = 32

export const NO_VECTOR = 0xffffffff

export const EXIT_BUDGET = 0
export const EXIT_HALT = 1
export const EXIT_SHUTDOWN = 2
export const EXIT_STOP = 3
export const EXIT_YIELD = 4

export const WARN_UNKNOWN_MSR = 1
