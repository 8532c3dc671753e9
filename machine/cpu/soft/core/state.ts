/**
 * The CPU's state in linear memory: fixed addresses, so a register is one load or store away.
 *
 * One linear memory (the machine's arena) holds this state, the TLBs, the decoded code and, from ARENA_GUEST on, the
 * guest's RAM, ROM and video memory. `machine/cpu/soft/layout.ts` is made from this file.
 */

// ---- the map of linear memory below the guest's ----
/**
 * The state of the executing CPU, 0x1000 to 0x1fff: where there are several, the engine puts each one's here when its turn
 * comes. Behind it scratch space, and from 0x3000 on what all CPUs share. The AssemblyScript statics start at 0x10000
 * (asc --memoryBase).
 */
export const STATE: usize = 0x1000
/** Bytes of it that are each CPU's own. */
export const STATE_SIZE: usize = 0x1000
export const STATE_END: usize = 0x4000
/** A u16 function-table index for each case of the dispatch switch that is a function. */
export const HANDLER_TABLE: usize = 0x90000
/** 8,192 entries of 16 bytes: where a linear address's block is. */
export const JUMP_CACHE: usize = 0xa0000
export const JUMP_CACHE_SIZE: usize = 0x20000
/** 64 Ki heads of block chains by hash of physical address, u32 each. */
export const BLOCK_HASH: usize = 0xc0000
/** A u32 for each guest-physical page below 4 GiB: arena offset of the page | PAGE_ bits; 0 is MMIO. */
export const PHYS_MAP: usize = 0x100000
/** A u32 for each guest-physical page: first block decoded from it. */
export const PAGE_BLOCKS: usize = 0x500000
/** A u32 for each guest-physical page: where the map of its bytes is from which code was decoded, or 0. */
export const PAGE_CODE_MAP: usize = 0x900000
/** 8,192 entries of 16 bytes: see fetch.ts. */
export const FETCHED_PAGES: usize = 0xd00000
/** A bank of TLBs for each CPU, `TLB_BANK_SIZE` bytes. */
export const TLB_BANKS: usize = 0x1100000
export const TLB_BANK_SIZE: usize = 0x18000
/** As many as MAX_CPUS of `machine/machine.ts`. */
export const TLB_BANK_COUNT: u32 = 32
// The TLBs of a bank: 1,024 entries of 16 bytes (u64 tag, u64 addend) each. One for writes lies TLB_WRITES behind that for reads:
// compiled code knows one place for both.
export const TLB_WRITES: usize = 0x4000
export const TLB_READ_SUPER: usize = 0
export const TLB_WRITE_SUPER: usize = TLB_READ_SUPER + TLB_WRITES
export const TLB_READ_USER: usize = 0x8000
export const TLB_WRITE_USER: usize = TLB_READ_USER + TLB_WRITES
/** The supervisor's while SMAP is lifted by EFLAGS.AC. */
export const TLB_READ_LIFTED: usize = 0x10000
export const TLB_WRITE_LIFTED: usize = TLB_READ_LIFTED + TLB_WRITES
/** Decoded blocks from the start upwards, maps of pages' code from the end downwards. */
export const CODE_POOL: usize = 0x1400000
export const CODE_POOL_END: usize = 0x5000000
export const ARENA_GUEST: usize = 0x5000000

export const PAGE_RAM: u32 = 1
export const PAGE_ROM: u32 = 2
/** Blocks were decoded from the page: writes take the slow path. */
export const PAGE_CODE: u32 = 4
/** Written without dropCode() hearing of it, by a device or under another address: blocks are not kept. */
export const PAGE_SHARED: u32 = 8

// ---- registers ----
/** RAX RCX RDX RBX RSP RBP RSI RDI R8..R15, 8 bytes each; the 17th is always zero (an absent base or index). */
export const GPR: usize = 0x1000
export const RAX: usize = GPR
export const RCX: usize = GPR + 8
export const RDX: usize = GPR + 16
export const RBX: usize = GPR + 24
export const RSP: usize = GPR + 32
export const RBP: usize = GPR + 40
export const RSI: usize = GPR + 48
export const RDI: usize = GPR + 56
export const REG_ZERO: usize = GPR + 128
/** Always 0x1000, for displacements that do not fit beside RIP. */
export const REG_PAGE: usize = 0x3ff8
/** Offset in CS of the executing block's first byte; a base register for RIP-relative operands. */
export const REG_BLOCK_IP: usize = 0x1088
/** Offset in CS of the next instruction. Up to date between blocks and inside handlers that end a block; elsewhere see `instructionPointer()`. */
export const RIP: usize = 0x1090
/** RFLAGS without CF PF AF ZF SF OF, which are lazy; bit 1 is set. u64. */
export const RFLAGS: usize = 0x1098
/** Lazy flags: the result, sign-extended to 64 bits (i64), and the carries (u32); see flags.ts. */
export const LAZY_RESULT: usize = 0x10a0
export const LAZY_AUX: usize = 0x10a8

export const CR0: usize = 0x10b0
export const CR2: usize = 0x10b8
export const CR3: usize = 0x10c0
export const CR4: usize = 0x10c8
export const CR8: usize = 0x10d0
export const XCR0: usize = 0x10d8
export const EFER: usize = 0x10e0
/** DR0 to DR7, u64 each (DR4 and DR5 unused). */
export const DR: usize = 0x1100
export const GDTR_BASE: usize = 0x1140
export const GDTR_LIMIT: usize = 0x1148
export const IDTR_BASE: usize = 0x1150
export const IDTR_LIMIT: usize = 0x1158
/** Current privilege level, u32 (3 in virtual-8086 mode, 0 in real mode). */
export const CPL: usize = 0x1160
/** Mode bits that blocks are keyed by, u32: MODE_*. */
export const MODE: usize = 0x1164
/** STI or MOV SS shadow on the next instruction: 0 none, 1 sti, 2 mov-ss. u32. */
export const SHADOW: usize = 0x1168
/** HLT, u32: 1 while waiting. */
export const HALTED: usize = 0x116c
export const NMI_MASKED: usize = 0x1170
export const IN_SMM: usize = 0x1174
export const SMBASE: usize = 0x1178
/** Stack pointer mask: 0xffff, 0xffffffff or all ones, u64 (from SS.B and long mode). */
export const SP_MASK: usize = 0x1180
/** Address of the segment record that stack accesses use: SS, or FLAT_SS in 64-bit code. u32. */
export const STACK_SEG: usize = 0x1188
/** What WRMSR added to the TSC of this CPU; see readTsc(). i64. */
export const TSC_OFFSET: usize = 0x1190
/** A reason to look up at the next instruction boundary, u32: ATTN_* bits. */
export const ATTENTION: usize = 0x11a8
/** Exception waiting for delivery after an unwind: vector (u32, 0xffffffff none), error code (u32), has error code (u32). */
export const PENDING_VECTOR: usize = 0x11b0
export const PENDING_ERROR: usize = 0x11b4
export const PENDING_HAS_ERROR: usize = 0x11b8
/** 1 while an exception or interrupt is being delivered: a further exception is weighed for double fault. */
export const DELIVERING: usize = 0x11bc
/** Vector that is being delivered (u32), for the double-fault table. */
export const DELIVERING_VECTOR: usize = 0x11c0
/** Why run() came back (EXIT_*). u32. */
export const EXIT_REASON: usize = 0x11c4
/** Data and I/O breakpoints that the executing instruction has hit, as DR6 has them; 0 between instructions. u32. */
export const DEBUG_HITS: usize = 0x11c8
/** What compiled code outside of 64-bit mode relies on, FLAT_* bits, u32. */
export const FLAT_DATA: usize = 0x11cc

/** Segment records, SEG_SIZE bytes each: ES CS SS DS FS GS LDTR TR, then the pseudo-segments of 64-bit mode. */
export const SEG_SIZE: usize = 64
export const ES: usize = 0x1200
export const CS: usize = 0x1240
export const SS: usize = 0x1280
export const DS: usize = 0x12c0
export const FS: usize = 0x1300
export const GS: usize = 0x1340
export const LDTR: usize = 0x1380
export const TR: usize = 0x13c0
/** Base 0, no limit: ES, CS, DS (and FLAT_SS for SS: its faults are #SS) in 64-bit mode. */
export const FLAT: usize = 0x1400
export const FLAT_SS: usize = 0x1440
/** FS and GS in 64-bit mode: their base, no limit. */
export const FS64: usize = 0x1480
export const GS64: usize = 0x14c0
// Fields of a segment record.
export const SEG_SELECTOR: usize = 0 // u16
/** VMX layout: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. u32. */
export const SEG_ACCESS: usize = 4
export const SEG_BASE: usize = 8 // u64
export const SEG_LIMIT: usize = 16 // u32, bytes, after granularity
/** Fast-path bounds, u64: an access of n bytes at offset o is fine when o + n <= bound; 0 sends all to the slow path. */
export const SEG_READ_BOUND: usize = 24
export const SEG_WRITE_BOUND: usize = 32

/** x87 and MMX: eight physical registers of 16 bytes (u64 significand, u16 sign and exponent); MMn is the significand of physical register n. */
export const FPR: usize = 0x1600
/** Control word u16, status word u16 (without TOP), TOP u32 0..7, tag word: a byte a physical register, 0 empty, 1 in use. */
export const FPU_CONTROL: usize = 0x1680
export const FPU_STATUS: usize = 0x1684
export const FPU_TOP: usize = 0x1688
export const FPU_TAGS: usize = 0x1690
/** Last non-control instruction: opcode u16, instruction pointer u64 + CS u16, operand pointer u64 + DS u16. */
export const FPU_OPCODE: usize = 0x1698
export const FPU_IP: usize = 0x16a0
export const FPU_CS: usize = 0x16a8
export const FPU_DP: usize = 0x16b0
export const FPU_DS: usize = 0x16b8
export const MXCSR: usize = 0x16c0
/** Sixteen registers of 32 bytes (YMM; XMM is the low half). */
export const XMM: usize = 0x1800
export const XMM_SIZE: usize = 32

/** MSRs that are plain storage or whose effect is elsewhere, u64 each; see msr.ts. */
export const MSR_AREA: usize = 0x1c00

/** 64 bytes for read-modify-write and page-crossing accesses. */
export const SCRATCH: usize = 0x2000
/** An op and operands of its own for the halves of a VEX instruction, 256 bytes; see vex.ts. */
export const VEX_SCRATCH: usize = 0x2e00

// ---- what all CPUs share; features.ts has more of it from 0x3030 on ----
/** Retired instructions, those of the whole executing block counted already; see `instructionCount()`. u64. */
export const ICOUNT: usize = 0x3000
/** Instruction count at which run() comes back. u64. */
export const ICOUNT_END: usize = 0x3008
/** ICOUNT_END, or 0 while something wants attention: the one thing that is compared between blocks. u64. */
export const ICOUNT_LIMIT: usize = 0x3010
/** Time that the CPU has waited for ports, in instructions' worth: guest time is the sum of both counts. u64. */
export const STALLED: usize = 0x3018
/** TSC ticks that HLT skipped. u64. */
export const TSC_SKIPPED: usize = 0x3020
/** 1 when A20 is enabled; the mask is applied to physical addresses. */
export const A20_MASK: usize = 0x3028
/** 1 while the IGNNE# pin is asserted, u32. */
export const IGNNE: usize = 0x302c
/** Entries of a block until it is compiled, u32; 0 where nothing is. See compiled.ts. */
export const JIT_THRESHOLD: usize = 0x30c0
/** The block in which compiled code handed over to the interpreter, u32. */
export const JIT_BLOCK: usize = 0x30c4
/** 1 where the host is told what is executed, u32; see coverage.ts. */
export const COVERAGE: usize = 0x30cc
/** How many blocks wait for compilation, u32, and which, u32 each. */
export const JIT_QUEUED: usize = 0x30c8
export const JIT_QUEUE: usize = 0x3100
export const JIT_QUEUE_SIZE: u32 = 64

// ---- bits ----
export const MODE_CODE32: u32 = 1 // CS.D
export const MODE_CODE64: u32 = 2 // CS.L in long mode
export const MODE_USER: u32 = 4 // CPL 3
/** CS.limit is not 4 GiB - 1: branches check it. */
export const MODE_CS_LIMIT: u32 = 8

/** DS, ES and SS have base 0 and reach over 4 GiB, and the stack is 32 bits wide. */
export const FLAT_SEGMENTS: u32 = 1
/** The upper halves of RAX to RDI are zero; code outside of 64-bit mode cannot change that. */
export const FLAT_UPPER_CLEAR: u32 = 2

export const ATTN_INTR: u32 = 1
export const ATTN_NMI: u32 = 2
export const ATTN_SMI: u32 = 4
/** run() is to come back. */
export const ATTN_STOP: u32 = 8
/** A debug trap is to be delivered after this instruction. */
export const ATTN_DEBUG: u32 = 16
/** TF is set, or an instruction breakpoint is armed: one instruction at a time. */
export const ATTN_STEP: u32 = 32
/** The executing instruction has hit breakpoints: DEBUG_HITS. */
export const ATTN_HIT: u32 = 64
/** spin.ts looks at each instruction. */
export const ATTN_TRIAL: u32 = 128
/** The executing instruction has faulted. */
export const ATTN_FAULT: u32 = 256

export const FLAG_CF: u32 = 1
export const FLAG_PF: u32 = 4
export const FLAG_AF: u32 = 16
export const FLAG_ZF: u32 = 64
export const FLAG_SF: u32 = 128
export const FLAG_TF: u32 = 0x100
export const FLAG_IF: u32 = 0x200
export const FLAG_DF: u32 = 0x400
export const FLAG_OF: u32 = 0x800
export const FLAG_IOPL: u32 = 0x3000
export const FLAG_NT: u32 = 0x4000
export const FLAG_RF: u32 = 0x10000
export const FLAG_VM: u32 = 0x20000
export const FLAG_AC: u32 = 0x40000
export const FLAG_VIF: u32 = 0x80000
export const FLAG_VIP: u32 = 0x100000
export const FLAG_ID: u32 = 0x200000

export const CR0_PE: u32 = 1
export const CR0_MP: u32 = 2
export const CR0_EM: u32 = 4
export const CR0_TS: u32 = 8
export const CR0_ET: u32 = 16
export const CR0_NE: u32 = 32
export const CR0_WP: u32 = 0x10000
export const CR0_AM: u32 = 0x40000
export const CR0_NW: u32 = 0x20000000
export const CR0_CD: u32 = 0x40000000
export const CR0_PG: u32 = 0x80000000

export const CR4_VME: u32 = 1
export const CR4_PVI: u32 = 2
export const CR4_TSD: u32 = 4
export const CR4_DE: u32 = 8
export const CR4_PSE: u32 = 0x10
export const CR4_PAE: u32 = 0x20
export const CR4_MCE: u32 = 0x40
export const CR4_PGE: u32 = 0x80
export const CR4_PCE: u32 = 0x100
export const CR4_OSFXSR: u32 = 0x200
export const CR4_OSXMMEXCPT: u32 = 0x400
export const CR4_UMIP: u32 = 0x800
export const CR4_FSGSBASE: u32 = 0x10000
export const CR4_PCIDE: u32 = 0x20000
export const CR4_OSXSAVE: u32 = 0x40000
export const CR4_SMEP: u32 = 0x100000
export const CR4_SMAP: u32 = 0x200000

export const EFER_SCE: u32 = 1
export const EFER_LME: u32 = 0x100
export const EFER_LMA: u32 = 0x400
export const EFER_NXE: u32 = 0x800

export const EX_DE: u32 = 0
export const EX_DB: u32 = 1
export const EX_NMI: u32 = 2
export const EX_BP: u32 = 3
export const EX_OF: u32 = 4
export const EX_BR: u32 = 5
export const EX_UD: u32 = 6
export const EX_NM: u32 = 7
export const EX_DF: u32 = 8
export const EX_TS: u32 = 10
export const EX_NP: u32 = 11
export const EX_SS: u32 = 12
export const EX_GP: u32 = 13
export const EX_PF: u32 = 14
export const EX_MF: u32 = 16
export const EX_AC: u32 = 17
export const EX_MC: u32 = 18
export const EX_XM: u32 = 19
export const NO_VECTOR: u32 = 0xffffffff

// Why run() came back.
export const EXIT_BUDGET: u32 = 0
export const EXIT_HALT: u32 = 1
export const EXIT_SHUTDOWN: u32 = 2
export const EXIT_STOP: u32 = 3
/** PAUSE: the CPU waits for another one, whose turn it may be. */
export const EXIT_YIELD: u32 = 4
/** A debugger's breakpoint or watchpoint: in front of the instruction, or behind the access. */
export const EXIT_BREAKPOINT: u32 = 5
