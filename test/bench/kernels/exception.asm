; Exceptions: UD2, and a handler in ring 0 that steps over it; an instruction that faults counts.
%define PER_ITERATION 5
%define SETUP 3
%define PASS 60000
%define PREPARE
%include "frame.inc"

kernel:
    xor eax, eax
.loop:
    ud2
    dec xcx
    jnz .loop
    add eax, 0x1234567
    ret
fault:
    add XWORD [xsp], 2
    xiret

prepare:
    mov al, 6
    mov edx, fault
    jmp set_gate
%include "rings.inc"
