; ALU loop: registers only, each result used by the next instructions.
%define PER_ITERATION 8
%define SETUP 6
%define PASS 500000
%include "frame.inc"

kernel:
    xor eax, eax
    mov edx, 0x9e3779b9
    xor ebx, ebx
    mov esi, 0x12345678
.loop:
    add eax, ecx
    xor edx, eax
    rol edx, 5
    lea ebx, [ebx + edx * 2 + 1]
    sub esi, ebx
    and eax, 0x7fffffff
    dec ecx
    jnz .loop
    lea eax, [esi + edx]
    ret
