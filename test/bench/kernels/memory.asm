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
    add xax, [xbx + xsi]
    add xax, xcx
    mov [xbx + xsi], xax
    add [xbx + xsi + XSIZE], xcx
    add xsi, 72
    and xsi, 0xfff8
    dec xcx
    jnz .loop
    ret
