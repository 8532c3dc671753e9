; REP MOVS of 4 KiB, from page to page.
%define PAGED
%ifdef LONG
    %define PER_ITERATION 7 + 512
    %define string_move movsq
%elifdef SHORT
    %define PER_ITERATION 7 + 2048
    %define string_move movsw
%else
    %define PER_ITERATION 7 + 1024
    %define string_move movsd
%endif
%ifdef SHORT
    %define SETUP 8
%else
    %define SETUP 5
%endif
%define PASS 3000
%include "frame.inc"

kernel:
%ifdef SHORT
    mov ax, 0x2000
    mov ds, ax
    mov es, ax
%else
    mov edx, WINDOW
    nop
    nop
%endif
    mov ebx, ecx
.loop:
%ifdef SHORT
    mov cx, 4096 / XSIZE
    mov esi, ebx
    mov di, 0x4000
    and si, 0x3ffc
%else
    mov ecx, 4096 / XSIZE
    mov esi, WINDOW
    mov edi, WINDOW + 0x4000
    mov [xsi], ebx
%endif
    rep string_move
    lea eax, [ebx + esi]
    dec ebx
    jnz .loop
%ifdef SHORT
    mov bx, 0
    mov ds, bx
    mov es, bx
%endif
    ret
