; Copying by loads and stores: 16 KiB, four words in an iteration.
%define PER_ITERATION 12
%ifdef SHORT
    %define SETUP 7
%else
    %define SETUP 5
%endif
%define PASS 300000
%define PAGED
%include "frame.inc"

kernel:
%ifdef SHORT
    mov bx, 0x2000
    mov ds, bx
    xor bx, bx
%else
    mov ebx, WINDOW
    xor edi, edi
    nop
%endif
    xor esi, esi
.loop:
%assign word 0
%rep 4
    mov xax, [xbx + xsi + word * XSIZE]
    mov [xbx + xsi + word * XSIZE + 0x4000], xax
    %assign word word + 1
%endrep
    add xsi, 4 * XSIZE
%ifdef SHORT
    and si, 0x3fff
%else
    and esi, 0x3fff
%endif
    dec xcx
    jnz .loop
%ifdef SHORT
    mov bx, 0
    mov ds, bx
%endif
    ret
