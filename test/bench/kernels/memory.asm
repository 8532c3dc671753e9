; Paged load, add, store: 64 KiB behind page tables (in real mode a segment), in steps of 72 bytes.
%define PER_ITERATION 8
%ifdef SHORT
    %define SETUP 8
%else
    %define SETUP 4
%endif
%define PASS 500000
%define PAGED
%include "frame.inc"

kernel:
%ifdef SHORT
    mov bx, 0x2000
    mov ds, bx
    xor bx, bx
%else
    mov ebx, WINDOW
%endif
    xor esi, esi
    xor eax, eax
.loop:
    add xax, [xbx + xsi]
%ifdef SHORT
    add ax, cx
%else
    add xax, xcx
%endif
    mov [xbx + xsi], xax
%ifdef SHORT
    add [bx + si + 2], cx
%else
    add [xbx + xsi + XSIZE], xcx
%endif
    add xsi, 72
    and xsi, 0xfff8
    dec xcx
    jnz .loop
%ifdef SHORT
    mov bx, 0
    mov ds, bx
%endif
    ret
