; Paged load, add, store: 64 KiB behind page tables, in steps of 72 bytes.
%define PER_ITERATION 8
%define SETUP 4
%define PASS 500000
%define PAGED
%include "frame.inc"

kernel:
    mov ebx, WINDOW
    xor esi, esi
    xor eax, eax
.loop:
    add eax, [ebx + esi]
    add eax, ecx
    mov [ebx + esi], eax
    add [ebx + esi + 4], ecx
    add esi, 72
    and esi, 0xfff8
    dec ecx
    jnz .loop
    ret
