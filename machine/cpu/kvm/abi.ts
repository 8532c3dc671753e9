/**
 * KVM's interface as numbers (Documentation/virt/kvm/api.rst; linux/kvm.h, asm/kvm.h): ioctls, capabilities, exit
 * reasons, and the offsets in the structures that are read and written by hand.
 */
const KVMIO = 0xae
const io = (nr: number): number => (KVMIO << 8) | nr
const iow = (nr: number, size: number): number => (1 << 30) | (size << 16) | (KVMIO << 8) | nr
const ior = (nr: number, size: number): number => ((2 << 30) | (size << 16) | (KVMIO << 8) | nr) >>> 0
const iowr = (nr: number, size: number): number => ((3 << 30) | (size << 16) | (KVMIO << 8) | nr) >>> 0

export const API_VERSION = 12

// ---- of /dev/kvm ----
export const KVM_GET_API_VERSION = io(0x00)
export const KVM_CREATE_VM = io(0x01)
export const KVM_CHECK_EXTENSION = io(0x03)
export const KVM_GET_VCPU_MMAP_SIZE = io(0x04)
export const KVM_GET_SUPPORTED_CPUID = iowr(0x05, 8)

// ---- of a VM ----
export const KVM_CREATE_VCPU = io(0x41)
export const KVM_SET_USER_MEMORY_REGION = iow(0x46, 32)
export const KVM_SET_TSS_ADDR = io(0x47)
export const KVM_SET_IDENTITY_MAP_ADDR = iow(0x48, 8)
export const KVM_REGISTER_COALESCED_MMIO = iow(0x67, 16)
export const KVM_ENABLE_CAP = iow(0xa3, 104)

// ---- of a vCPU ----
export const KVM_RUN = io(0x80)
export const KVM_GET_REGS = ior(0x81, 144)
export const KVM_SET_REGS = iow(0x82, 144)
export const KVM_GET_SREGS = ior(0x83, 312)
export const KVM_SET_SREGS = iow(0x84, 312)
export const KVM_TRANSLATE = iowr(0x85, 24)
export const KVM_INTERRUPT = iow(0x86, 4)
export const KVM_GET_MSRS = iowr(0x88, 8)
export const KVM_SET_MSRS = iow(0x89, 8)
export const KVM_SET_SIGNAL_MASK = iow(0x8b, 4)
export const KVM_GET_FPU = ior(0x8c, 416)
export const KVM_SET_FPU = iow(0x8d, 416)
export const KVM_SET_CPUID2 = iow(0x90, 8)
export const KVM_NMI = io(0x9a)
export const KVM_SET_GUEST_DEBUG = iow(0x9b, 72)
export const KVM_GET_VCPU_EVENTS = ior(0x9f, 64)
export const KVM_SET_VCPU_EVENTS = iow(0xa0, 64)
export const KVM_GET_DEBUGREGS = ior(0xa1, 128)
export const KVM_SET_DEBUGREGS = iow(0xa2, 128)
export const KVM_GET_TSC_KHZ = io(0xa3)
export const KVM_GET_XSAVE = ior(0xa4, 4096)
export const KVM_SET_XSAVE = iow(0xa5, 4096)
export const KVM_GET_XCRS = ior(0xa6, 392)
export const KVM_SET_XCRS = iow(0xa7, 392)
export const KVM_SET_DEVICE_ATTR = iow(0xe1, 24)
export const KVM_GET_DEVICE_ATTR = iow(0xe2, 24)

// ---- capabilities ----
export const CAP_NR_MEMSLOTS = 10
export const CAP_COALESCED_MMIO = 15
export const CAP_USER_NMI = 22
export const CAP_SET_GUEST_DEBUG = 23
export const CAP_XSAVE = 55
export const CAP_XCRS = 56
export const CAP_GET_TSC_KHZ = 61
export const CAP_READONLY_MEM = 81
export const CAP_IMMEDIATE_EXIT = 136
export const CAP_X86_USER_SPACE_MSR = 188
export const CAP_XSAVE2 = 208

// ---- memory slots ----
export const MEM_READONLY = 2

// ---- struct kvm_run ----
export const RUN_REQUEST_INTERRUPT_WINDOW = 0
export const RUN_IMMEDIATE_EXIT = 1
export const RUN_EXIT_REASON = 8
export const RUN_READY_FOR_INTERRUPT = 12
export const RUN_IF_FLAG = 13
export const RUN_CR8 = 16
export const RUN_APIC_BASE = 24
/** The union of what each exit reason says more. */
export const RUN_EXIT = 32

export const IO_DIRECTION = RUN_EXIT
export const IO_SIZE = RUN_EXIT + 1
export const IO_PORT = RUN_EXIT + 2
export const IO_COUNT = RUN_EXIT + 4
/** Where in the run page the data are, u64. */
export const IO_DATA_OFFSET = RUN_EXIT + 8
export const IO_OUT = 1

export const MMIO_ADDRESS = RUN_EXIT
export const MMIO_DATA = RUN_EXIT + 8
export const MMIO_LENGTH = RUN_EXIT + 16
export const MMIO_IS_WRITE = RUN_EXIT + 20

export const MSR_ERROR = RUN_EXIT
export const MSR_INDEX = RUN_EXIT + 12
export const MSR_DATA = RUN_EXIT + 16

export const INTERNAL_SUBERROR = RUN_EXIT
export const INTERNAL_NDATA = RUN_EXIT + 4
export const INTERNAL_DATA = RUN_EXIT + 8

export const FAIL_ENTRY_REASON = RUN_EXIT

// struct kvm_debug_exit_arch
export const DEBUG_EXCEPTION = RUN_EXIT
/** Linear. */
export const DEBUG_PC = RUN_EXIT + 8
export const DEBUG_DR6 = RUN_EXIT + 16

// ---- exit reasons ----
export const EXIT_IO = 2
export const EXIT_DEBUG = 4
export const EXIT_HLT = 5
export const EXIT_MMIO = 6
export const EXIT_IRQ_WINDOW_OPEN = 7
export const EXIT_SHUTDOWN = 8
export const EXIT_FAIL_ENTRY = 9
export const EXIT_INTR = 10
export const EXIT_SET_TPR = 11
export const EXIT_INTERNAL_ERROR = 17
export const EXIT_X86_RDMSR = 29
export const EXIT_X86_WRMSR = 30

export const INTERNAL_ERRORS: { [suberror: number]: string } = {
  1: 'emulation failure',
  2: 'simultaneous exceptions',
  3: 'delivery of an event failed',
  4: 'unexpected exit reason',
}
export const INTERNAL_ERROR_EMULATION = 1

// ---- struct kvm_regs: RAX RBX RCX RDX RSI RDI RSP RBP R8 to R15 RIP RFLAGS ----
export const REGS_SIZE = 144
/** Offset of CpuState.gpr[i]: RAX RCX RDX RBX RSP RBP RSI RDI. */
export const REGS_GPR = [0, 16, 24, 8, 48, 56, 32, 40, 64, 72, 80, 88, 96, 104, 112, 120]
export const REGS_RIP = 128
export const REGS_RFLAGS = 136

// ---- struct kvm_sregs ----
export const SREGS_SIZE = 312
/** Offsets of ES CS SS DS FS GS. */
export const SREGS_SEGMENTS = [48, 0, 120, 24, 72, 96]
export const SREGS_TR = 144
export const SREGS_LDT = 168
export const SREGS_GDT = 192
export const SREGS_IDT = 208
export const SREGS_CR0 = 224
export const SREGS_CR2 = 232
export const SREGS_CR3 = 240
export const SREGS_CR4 = 248
export const SREGS_CR8 = 256
export const SREGS_EFER = 264
export const SREGS_APIC_BASE = 272
export const SREGS_INTERRUPTS = 280

// ---- struct kvm_vcpu_events ----
export const EVENTS_SIZE = 64
export const EVENTS_INTERRUPT_INJECTED = 8
export const EVENTS_INTERRUPT_NR = 9
export const EVENTS_INTERRUPT_SOFT = 10
export const EVENTS_INTERRUPT_SHADOW = 11
export const EVENTS_NMI_INJECTED = 12
export const EVENTS_NMI_PENDING = 13
export const EVENTS_NMI_MASKED = 14
export const EVENTS_FLAGS = 20
export const SHADOW_MOV_SS = 1
export const SHADOW_STI = 2
export const EVENTS_VALID_NMI_PENDING = 1
export const EVENTS_VALID_SHADOW = 4

// ---- struct kvm_coalesced_mmio_ring ----
export const RING_FIRST = 0
export const RING_LAST = 4
export const RING_ENTRIES = 8
/** phys_addr u64, len u32, pio u32, data[8]. */
export const RING_ENTRY_SIZE = 24

// ---- struct kvm_guest_debug: control, and DR0 to DR7 as they are to count ----
export const GUEST_DEBUG_SIZE = 72
export const GUEST_DEBUG_REGISTERS = 8
export const GUESTDBG_ENABLE = 1
export const GUESTDBG_SINGLESTEP = 2
export const GUESTDBG_USE_SW_BP = 0x10000
export const GUESTDBG_USE_HW_BP = 0x20000
export const GUESTDBG_INJECT_DB = 0x40000
export const GUESTDBG_INJECT_BP = 0x80000

// ---- struct kvm_debugregs: DR0 to DR3, DR6, DR7, flags ----
export const DEBUGREGS_SIZE = 128
export const DEBUGREGS_DR6 = 32

// ---- struct kvm_translation ----
export const TRANSLATION_SIZE = 24
export const TRANSLATION_PHYSICAL = 8
export const TRANSLATION_VALID = 16
