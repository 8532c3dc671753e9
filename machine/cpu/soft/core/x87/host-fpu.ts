/** The FERR# pin (Intel SDM vol. 1, appendix D): with CR0.NE clear an unmasked x87 exception reaches the CPU as IRQ 13. */

/** 1: an unmasked exception is pending while CR0.NE is 0; 0: it was cleared. The board latches IRQ 13 from it. */
@external("host", "ferr") export declare function ferr(level: u32): void
